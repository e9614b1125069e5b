/** Why a run has failed: what k6 says as `e2e_latency: p(99)<=25`, as a sentence with what was seen and what was allowed. */
import { ms, number, percent } from './figures.ts';
import type { Settings } from './settings.ts';
import { CONNECT_SUCCESS } from './thresholds.ts';

type Values = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * @param broken each as `metric: condition`
 * @returns one sentence for each, in the same order
 */
export function reasons(broken: readonly string[], metrics: Values, settings: Settings): string[] {
  const count = (name: string) => number(metrics[name]?.count);
  const sentences: Readonly<Record<string, () => string>> = {
    [`connect_success: rate>=${CONNECT_SUCCESS}`]: () =>
      `Only ${percent(metrics.connect_success?.rate)} of the connections were ready at the first attempt; ` +
      `${percent(CONNECT_SUCCESS)} must be.`,
    [`ready_time: p(99)<=${settings.ready}`]: () =>
      `From opening to SUBSCRIBED it took ${ms(metrics.ready_time?.['p(99)'])} at p99; --ready allows ${settings.ready} ms.`,
    [`e2e_latency: p(50)<=${settings.p50}`]: () =>
      `From the intake to the client it took ${ms(metrics.e2e_latency?.['p(50)'])} at p50; --p50 allows ${settings.p50} ms.`,
    [`e2e_latency: p(99)<=${settings.p99}`]: () =>
      `From the intake to the client it took ${ms(metrics.e2e_latency?.['p(99)'])} at p99; --p99 allows ${settings.p99} ms.`,
    [`publish_behind: p(99)<=${settings.p99}`]: () =>
      `Events were published later than --rate wants, by ${ms(metrics.publish_behind?.['p(99)'])} at p99; --p99 allows ` +
      `${settings.p99} ms: k6 or the intake is too slow for this rate.`,
    'gaps: count==0': () => `Offsets were skipped without a word: ${count('gaps')} events.`,
    'missing: count==0': () => `Events that the intake had accepted did not come: ${count('missing')}.`,
    'repeated: count==0': () => `Events came a second time: ${count('repeated')}.`,
    'reordered: count==0': () =>
      `Events came behind later ones: ${count('reordered')}. They were skipped first, and count there as well.`,
    'strays: count==0': () => `Events came to clients that do not follow their property: ${count('strays')}.`,
    'events_received: count>0': () => 'No event was received live.',
    'events_refused: count==0': () => `The intake did not take ${count('events_refused')} events.`,
    'unfinished: count==0': () => `Clients that were not judged to their end: ${count('unfinished')}.`,
    [`unexpected_closes: count<=${settings.closes}`]: () =>
      `Connections were lost: ${count('unexpected_closes')}; --closes allows ${number(settings.closes)}.`,
    [`resyncs: count<=${settings.resyncs}`]: () =>
      `How often clients got the state instead of what they had missed: ${count('resyncs')}; ` +
      `--resyncs allows ${number(settings.resyncs)}.${shortLog(settings)}`,
  };
  return broken.map((threshold) => sentences[threshold]?.() ?? `${threshold} did not hold.`);
}

/** A gateway's default for LOG_MAX_EVENTS; another cluster may keep more. */
const LOG_EVENTS = 128;
/** Clients that are cut are away for at most three seconds; coming back takes some, too. */
const LONG_ENOUGH_SECONDS = 6;

/** A log that reaches back less far than clients are away: nothing is wrong with the cluster then. */
function shortLog({ rate, properties }: Settings): string {
  const seconds = (LOG_EVENTS * properties) / rate;
  if (!(seconds < LONG_ENOUGH_SECONDS)) return '';
  return (
    ` A log of ${LOG_EVENTS} events (LOG_MAX_EVENTS) reaches back ${seconds.toFixed(1)} s at this rate: ` +
    'a smaller --rate or more --properties make it last longer.'
  );
}
