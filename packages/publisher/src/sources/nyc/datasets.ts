/** The datasets that are polled. A new one is a file with its description and a line here. */
import type { Dataset } from './dataset.js';
import { dobBis } from './dob-bis.js';
import { dobNow } from './dob-now.js';
import { ecb } from './ecb.js';
import { hpd } from './hpd.js';

export const DATASETS: readonly Dataset[] = [dobBis, dobNow, ecb, hpd];

export const DATASET_NAMES: readonly string[] = DATASETS.map((dataset) => dataset.name);

/** The datasets called `names`, in the order of the registry; unknown names are left out (settings refuse them). */
export const datasetsNamed = (names: readonly string[]): Dataset[] =>
  DATASETS.filter((dataset) => names.includes(dataset.name));

/** Datasets by the violation type that they report under. */
export function byViolationType(datasets: readonly Dataset[]): Map<string, Dataset[]> {
  const types = new Map<string, Dataset[]>();
  for (const dataset of datasets) {
    types.set(dataset.violationType, [...(types.get(dataset.violationType) ?? []), dataset]);
  }
  return types;
}
