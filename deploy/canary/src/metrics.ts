/** What the canary saw. Labels are closed lists; which gateway it was stands in the log. */
import { Counter, Gauge, Histogram, LATENCY_BUCKETS, type Registry } from '@belfry/shared/service';

/** What became of one event at one listener. */
const OUTCOMES = ['live', 'replayed', 'told', 'unreached', 'lost'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface CanaryMetrics {
  published(outcome: 'accepted' | 'failed'): void;
  connected(outcome: 'connected' | 'failed'): void;
  delivered(outcome: Outcome): void;
  /** Seconds from the beginning of the HTTP request to the frame. */
  delay(seconds: number): void;
  disorder(kind: 'gap' | 'repeat'): void;
  watch(listening: () => number): void;
}

export function createCanaryMetrics(registry: Registry): CanaryMetrics {
  const registers = [registry];
  const counter = (name: string, help: string, label: string, values: readonly string[]) => {
    const made = new Counter({ name, help, labelNames: [label], registers });
    // From the start on, so that the first one that is lost is an increase and not a new series.
    for (const value of values) made.inc({ [label]: value }, 0);
    return (value: string) => made.inc({ [label]: value });
  };
  const delays = new Histogram({
    name: 'belfry_canary_delivery_seconds',
    help: 'From the HTTP request that publishes an event to its frame at a listener that was connected',
    buckets: LATENCY_BUCKETS,
    registers,
  });
  return {
    published: counter('belfry_canary_publishes_total', 'Events published, by outcome', 'outcome', [
      'accepted',
      'failed',
    ]),
    connected: counter('belfry_canary_connects_total', 'Connections tried, by outcome', 'outcome', [
      'connected',
      'failed',
    ]),
    delivered: counter(
      'belfry_canary_deliveries_total',
      'Accepted events by what became of them, one for each listener: lost means in silence',
      'outcome',
      OUTCOMES,
    ),
    delay: (seconds) => delays.observe(seconds),
    disorder: counter('belfry_canary_disorders_total', 'Events whose position did not follow the last one', 'kind', [
      'gap',
      'repeat',
    ]),
    watch: (listening) => {
      new Gauge({
        name: 'belfry_canary_listeners',
        help: 'Gateways to which a subscribed connection stands',
        registers,
        collect() {
          this.set(listening());
        },
      });
    },
  };
}
