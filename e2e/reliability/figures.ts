/** Figures of a reliability run: each printed with its limit, and whether it was kept. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 's' | 'ms' | '%' | '';
  /** What the value may be; undefined: it is only shown. */
  readonly limit?: { readonly atMost?: number; readonly atLeast?: number };
}

function kept({ limit, value }: Figure): boolean {
  if (Number.isNaN(value)) return false;
  if (limit?.atMost !== undefined && value > limit.atMost) return false;
  return limit?.atLeast === undefined || value >= limit.atLeast;
}

const digitsOf = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));

function limitOf({ limit, unit }: Figure): string {
  if (limit?.atMost !== undefined) return `at most ${limit.atMost} ${unit}`.trim();
  if (limit?.atLeast !== undefined) return `at least ${limit.atLeast} ${unit}`.trim();
  return '';
}

/** @returns whether every limit was kept */
export function printFigures(title: string, figures: readonly Figure[]): boolean {
  const width = Math.max(...figures.map(({ name }) => name.length));
  console.log(`\n${title}`);
  for (const figure of figures) {
    const { name, unit, value } = figure;
    const verdict = figure.limit === undefined ? '' : kept(figure) ? 'kept' : 'NOT KEPT';
    console.log(
      `  ${name.padEnd(width)}  ${`${digitsOf(value)} ${unit}`.trim().padStart(10)}  ${limitOf(figure).padEnd(16)}  ${verdict}`.trimEnd(),
    );
  }
  return figures.every((figure) => figure.limit === undefined || kept(figure));
}

/** The value below which this share of the values lies; NaN where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
