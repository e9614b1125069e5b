/** Writes the tables and charts of `docs/performance.md` from the raw results that lie beside it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTENDERS, TITLES } from '../contenders/names.js';
import type { Outcomes, Run } from '../run.js';
import { WORKLOADS, type Workload } from '../workloads/index.js';
import { type Bar, barChart } from './chart.js';
import { markdownTable, rowsOf } from './table.js';

const BEGIN = '<!-- bench: written by `npm run bench:report`, from performance/results.json -->';
const END = '<!-- end of bench -->';

const resultsFile = (docs: string): string => join(docs, 'performance', 'results.json');

/** Several runs, as they are kept: the last one's date and machine, and when each workload was measured. */
interface SavedRun extends Run {
  readonly dates?: Readonly<Record<string, string>>;
}

const datesOf = ({ dates, date, workloads }: SavedRun): Record<string, string> =>
  Object.fromEntries(Object.keys(workloads).map((name) => [name, dates?.[name] ?? date]));

/** Adds a run to what is known: workloads that it did not measure stay as they were. */
export function saveRun(docs: string, run: Run): void {
  mkdirSync(join(docs, 'performance'), { recursive: true });
  const known = readRun(docs);
  const merged: SavedRun = {
    ...run,
    dates: { ...(known && datesOf(known)), ...datesOf(run) },
    workloads: { ...known?.workloads, ...run.workloads },
  };
  writeFileSync(resultsFile(docs), `${JSON.stringify(merged, rounded, 2)}\n`);
}

/** Six digits are more than any of these figures has. */
const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;

function readRun(docs: string): SavedRun | undefined {
  try {
    return JSON.parse(readFileSync(resultsFile(docs), 'utf8')) as SavedRun;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function writeDocument(docs: string): void {
  const run = readRun(docs);
  if (!run) throw new Error(`${resultsFile(docs)} is not there: npm run bench -- --save writes it`);
  const file = join(docs, 'performance.md');
  const text = readFileSync(file, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${file} has no place for the tables: ${BEGIN} … ${END}`);
  const sections = [machineOf(run)];
  const dates = datesOf(run);
  for (const workload of WORKLOADS) {
    const outcomes = run.workloads[workload.name];
    if (!outcomes) continue;
    writeFileSync(join(docs, 'performance', `${workload.name}.svg`), chartOf(workload, outcomes));
    sections.push(
      `### ${workload.title}\n\n${workload.about}${measuredBefore(dates[workload.name], run)}\n\n![${workload.title}](performance/${workload.name}.svg)\n\n` +
        markdownTable(rowsOf(workload, outcomes)),
    );
  }
  writeFileSync(file, `${text.slice(0, begin + BEGIN.length)}\n\n${sections.join('\n\n')}\n\n${text.slice(end)}`);
}

const dayOf = (date: string): string => date.slice(0, 10);

function measuredBefore(date: string | undefined, run: Run): string {
  return date === undefined || dayOf(date) === dayOf(run.date) ? '' : ` Measured on ${dayOf(date)}.`;
}

function machineOf({ date, machine, pinned }: Run): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return (
    `Measured on ${dayOf(date)}, where nothing else is said: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ` +
    `${machine.kernel}; ${versions.join(', ')}. ` +
    (pinned
      ? 'The server had the first core for itself; Redis, the publisher and the clients shared the other.'
      : 'Server, Redis, publisher and clients shared all cores.')
  );
}

function chartOf(workload: Workload, outcomes: Outcomes): string {
  const bars: Bar[] = [];
  for (const contender of CONTENDERS) {
    const outcome = outcomes[contender];
    if (!outcome || 'skipped' in outcome) continue;
    const value = workload.figure.of(outcome.median);
    bars.push({
      label: TITLES[contender],
      value,
      text: value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2),
      ours: contender === 'belfry',
    });
  }
  return barChart(workload.title, `${workload.figure.title}, ${workload.figure.better} is better`, bars);
}
