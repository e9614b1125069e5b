/** Results as rows of text, for a terminal and for Markdown. */
import { BARE_WITH, type BareWith, CONTENDERS, TITLES } from '../contenders/names.js';
import type { Outcomes } from '../run.js';
import type { Workload } from '../workloads/index.js';

/** A heading and one row per contender; the last column holds each against the bare server. */
export function rowsOf(workload: Workload, outcomes: Outcomes): string[][] {
  const references: (readonly [title: string, figure: number])[] = [['to bare', figureOf(workload, outcomes.bare)]];
  for (const [name, what] of Object.entries(BARE_WITH) as [BareWith, string][])
    if (outcomes[name]) references.push([`to bare with ${what}`, figureOf(workload, outcomes[name])]);
  const rows = [['', ...workload.columns.map(({ title }) => title), ...references.map(([title]) => title)]];
  for (const contender of CONTENDERS) {
    const outcome = outcomes[contender];
    if (!outcome) continue;
    if ('skipped' in outcome) {
      rows.push([TITLES[contender], `not measured: ${outcome.skipped}`]);
      continue;
    }
    const figure = workload.figure.of(outcome.median);
    rows.push([
      TITLES[contender],
      ...workload.columns.map(({ text }) => text(outcome.median)),
      ...references.map(([, reference]) => ratioOf(figure, reference)),
    ]);
  }
  return rows;
}

const figureOf = (workload: Workload, outcome: Outcomes['bare']): number =>
  outcome && 'median' in outcome ? workload.figure.of(outcome.median) : Number.NaN;

function ratioOf(figure: number, reference: number): string {
  const ratio = figure / reference;
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)} ×` : '–';
}

export function plainTable(rows: readonly (readonly string[])[]): string {
  const [heading = []] = rows;
  const whole = rows.filter((row) => row.length === heading.length);
  const widths = heading.map((_, column) => Math.max(...whole.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row.map((cell, n) => (n === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[n] ?? 0))).join('  '),
    )
    .join('\n');
}

export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [heading = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const filled = body.map((row) => [...row, ...Array.from({ length: heading.length - row.length }, () => '')]);
  const rule = heading.map((_, n) => (n === 0 ? '---' : '---:'));
  return [heading, rule, ...filled].map(line).join('\n');
}
