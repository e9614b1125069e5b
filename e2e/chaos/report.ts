/** The verdict of a run as text. */
import { VIOLATIONS } from './audit/findings.js';
import type { Incident } from './faults/schedule.js';
import type { RunResult } from './run.js';

/** What makes a run fail, in one list; empty: it passed. */
export function failures({ caughtUpAfter, exits, findings, incidents }: RunResult): string[] {
  const list: string[] = [];
  for (const kind of VIOLATIONS) {
    const count = findings.violations.get(kind) ?? 0;
    if (count > 0) list.push(`${count} × ${kind}`);
  }
  if (exits.length > 0) list.push(`${exits.length} processes ended by themselves or not in order`);
  if (caughtUpAfter === undefined) list.push('the run did not settle after its last fault');
  const unrecovered = incidents.filter(({ problem }) => problem !== undefined);
  if (unrecovered.length > 0) list.push(`${unrecovered.length} faults that could not be injected or healed`);
  return list;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

const seconds = (ms: number): string => (Number.isNaN(ms) ? '–' : `${(ms / 1_000).toFixed(2)} s`);
const known = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);

function spread(values: readonly number[]): string {
  return [percentile(values, 0.5), percentile(values, 0.99), Math.max(...values, Number.NEGATIVE_INFINITY)]
    .map((ms) => (Number.isFinite(ms) ? seconds(ms) : '–').padStart(8))
    .join(' ');
}

function faultTable(incidents: readonly Incident[]): string[] {
  const byKind = new Map<string, Incident[]>();
  for (const incident of incidents) byKind.set(incident.kind, [...(byKind.get(incident.kind) ?? []), incident]);
  const width = Math.max(...[...byKind.keys()].map((kind) => kind.length), 20);
  const row = (kind: string, list: readonly Incident[]): string =>
    [
      kind.padEnd(width),
      String(list.length).padStart(6),
      spread(known(list.map(({ eventsAfter }) => eventsAfter))),
      spread(known(list.map(({ clientsAfter }) => clientsAfter))),
    ].join('  ');
  return [
    `${''.padEnd(width)}          events through every gateway     99 % of the clients live`,
    `${'fault'.padEnd(width)}   times       p50      p99      max       p50      p99      max   after healing`,
    ...[...byKind].sort(([a], [b]) => a.localeCompare(b)).map(([kind, list]) => row(kind, list)),
    row(`all, ${byKind.size} kinds`, incidents),
  ];
}

export function reportText(result: RunResult): string {
  const { caughtUpAfter, clientCounts, exits, findings, incidents, options } = result;
  const numbers = [...findings.counts].sort(([a], [b]) => a.localeCompare(b));
  const failed = failures(result);
  return [
    `${options.redis} Redis, ${options.gateways} gateways, ${options.publishers} publishers, ${options.clients} clients with ${options.channelsPerClient} of ${options.properties} properties, ${options.perSecond} changes a second, ${result.seconds.toFixed(0)} s, seed ${options.seed}${options.plant ? `, planted: ${options.plant}` : ''}`,
    '',
    ...faultTable(incidents),
    '',
    'audited',
    ...numbers.map(([name, count]) => `  ${String(count).padStart(10)}  ${name}`),
    'clients',
    ...[...clientCounts].map(([name, count]) => `  ${String(count).padStart(10)}  ${name}`),
    'violations',
    ...VIOLATIONS.map((kind) => `  ${String(findings.violations.get(kind) ?? 0).padStart(10)}  ${kind}`),
    `  ${String(exits.length).padStart(10)}  process exits`,
    caughtUpAfter === undefined
      ? 'did not settle after the last fault'
      : `every client caught up ${seconds(caughtUpAfter)} after the load ended`,
    ...findings.examples.map((example) => `  ${example}`),
    ...exits.map((exit) => `  exit: ${exit}`),
    ...incidents.flatMap(({ at, kind, problem, what }) =>
      problem ? [`  at ${seconds(at)} ${kind} (${what}): ${problem}`] : [],
    ),
    '',
    failed.length === 0 ? `PASSED, seed ${options.seed}` : `FAILED, seed ${options.seed}: ${failed.join(', ')}`,
    '',
  ].join('\n');
}
