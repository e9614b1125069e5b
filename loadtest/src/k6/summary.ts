/** A run's result: for a person in a few lines, and as JSON. Secrets and tokens are in neither. */
import { ms, number, percent } from './figures.ts';
import { reasons } from './reasons.ts';
import type { Settings } from './settings.ts';

/** The part of k6's own summary that is used. */
export interface K6Summary {
  readonly metrics: Readonly<Record<string, Metric>>;
}

interface Metric {
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

export interface Result {
  readonly scenario: string;
  readonly passed: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Which thresholds did not hold, each as `metric: condition`. */
  readonly broken: readonly string[];
  /** The same for people: a sentence each. */
  readonly reasons: readonly string[];
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** k6's own that say something here; the others are about what k6 is otherwise used for. */
const OF_K6 = new Set(['ws_sessions', 'ws_connecting', 'data_received', 'data_sent']);

export function judge(settings: Settings, data: K6Summary, own: readonly string[]): Result {
  const { secret: _, token: __, publisherToken: ___, ...shown } = settings;
  const broken = Object.entries(data.metrics).flatMap(([name, metric]) =>
    Object.entries(metric.thresholds ?? {}).flatMap(([condition, { ok }]) => (ok ? [] : [`${name}: ${condition}`])),
  );
  const wanted = Object.entries(data.metrics).filter(([name]) => own.includes(name) || OF_K6.has(name));
  const metrics = Object.fromEntries(wanted.map(([name, { values }]) => [name, values]));
  return {
    scenario: settings.scenario,
    passed: broken.length === 0,
    settings: shown,
    broken: broken.sort(),
    reasons: reasons(broken, metrics, settings),
    metrics,
  };
}

export function describe({ scenario, passed, reasons: why, metrics, settings }: Result): string {
  const count = (name: string) => metrics[name]?.count ?? 0;
  const spread = (name: string) => {
    const values = metrics[name];
    if (!values?.count) return 'none';
    return `p50 ${ms(values['p(50)'])}, p95 ${ms(values['p(95)'])}, p99 ${ms(values['p(99)'])}, max ${ms(values.max)}`;
  };
  const lines: [string, string][] = [
    [
      'connections',
      `${number(metrics.connect_success?.passes)} made, ${percent(metrics.connect_success?.rate)} at the first attempt`,
    ],
    ['until ready', spread('ready_time')],
  ];
  if (metrics.events_published) {
    lines.push(
      ['published', `${number(count('events_published'))} events, ${number(count('events_refused'))} refused`],
      ['received', `${number(count('events_received'))} live, ${number(count('events_replayed'))} by replay`],
      ['intake to client', spread('e2e_latency')],
      ['k6 came to it after', spread('k6_waiting')],
      ['intake', spread('intake_time')],
      ['published late by', spread('publish_behind')],
    );
  }
  if (count('returns') > 0) {
    lines.push([
      'came back',
      `${number(count('returns'))}, ${percent(metrics.recovered?.rate)} continued where they were`,
    ]);
  }
  lines.push(
    [
      'gaps, missing, repeated',
      `${number(count('gaps'))}, ${number(count('missing'))}, ${number(count('repeated'))}` +
        (count('reordered') > 0 ? ` (${number(count('reordered'))} came behind later ones)` : '') +
        (count('strays') > 0 ? ` (${number(count('strays'))} of another property)` : '') +
        (count('unfinished') > 0 ? ` (${number(count('unfinished'))} clients were not judged to their end)` : ''),
    ],
    [
      'lost connections',
      `${number(count('unexpected_closes'))}; errors ${number(count('errors'))}, resyncs ${number(count('resyncs'))}`,
    ],
  );
  const plural = settings.properties === 1 ? 'property' : 'properties';
  const title = `${scenario}: ${settings.connections} connections on ${settings.properties} ${plural}`;
  const verdict = passed ? 'PASSED' : `FAILED\n${why.map((reason) => `  ${reason}`).join('\n')}`;
  return `\n${title}\n${lines.map(([name, text]) => `  ${name.padEnd(24)} ${text}`).join('\n')}\n\n${verdict}\n`;
}
