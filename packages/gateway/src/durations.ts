/**
 * How long messages took, as a histogram that costs little to add to: prom-client's own checks its labels and puts a key
 * together for every value, which with ten thousand clients coming at once is a tenth of what they cost.
 */
import { Histogram, LATENCY_BUCKETS, type Registry } from '@belfry/shared/service';

interface Series {
  /** Per bucket, not cumulated; the last one is for what is longer than all. */
  readonly counts: number[];
  sum: number;
}

class Durations extends Histogram<'type' | 'le'> {
  readonly series = new Map<string, Series>();

  /** prom-client's own asks `getForPromString`, and takes labels apart that are whole here. */
  override async get(): ReturnType<Histogram<'type' | 'le'>['get']> {
    return (await this.getForPromString()) as unknown as Awaited<ReturnType<Histogram<'type' | 'le'>['get']>>;
  }

  /** What the registry asks for first. Never asks `get`, which would ask it again, without end. */
  async getForPromString() {
    const values = [...this.series].flatMap(([type, series]) => this.valuesOf(type, series));
    return { name: NAME, help: HELP, type: 'histogram', values, aggregator: 'sum' };
  }

  private valuesOf(type: string, { counts, sum }: Series) {
    let count = 0;
    const buckets = [...LATENCY_BUCKETS, '+Inf' as const].map((le, n) => {
      count += counts[n] as number;
      return { labels: { le, type }, value: count, metricName: `${NAME}_bucket` };
    });
    return [
      ...buckets,
      { labels: { type }, value: sum, metricName: `${NAME}_sum` },
      { labels: { type }, value: count, metricName: `${NAME}_count` },
    ];
  }
}

const NAME = 'websocket_message_duration_seconds';
const HELP = 'Time to handle a client’s message, waiting for Redis included';

/** @returns adds a duration in milliseconds; the types have to be few */
export function createMessageDurations(registry: Registry): (type: string, ms: number) => void {
  const { series } = new Durations({
    name: NAME,
    help: HELP,
    labelNames: ['type'],
    buckets: LATENCY_BUCKETS,
    registers: [registry],
  });
  return (type, ms) => {
    let found = series.get(type);
    if (!found) {
      found = { counts: new Array<number>(LATENCY_BUCKETS.length + 1).fill(0), sum: 0 };
      series.set(type, found);
    }
    const seconds = ms / 1000;
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS.length && seconds > (LATENCY_BUCKETS[bucket] as number)) bucket += 1;
    found.counts[bucket] = (found.counts[bucket] as number) + 1;
    found.sum += seconds;
  };
}
