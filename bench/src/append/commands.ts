/**
 * What has to happen in Redis for one change of a property, as plain commands in a pipeline: without a script, and so
 * without all or nothing, without compare-and-set, and without the position in the event. Less than that is not history
 * any more: what the commands alone take of Redis is what no way of appending gets below.
 */
import { type Connection, channelKeys } from '@belfry/shared/log';
import { GLOBAL_CHANNEL } from '@belfry/shared/protocol';
import { propertyAt, type Shape } from './shape.js';

export interface PlainEvent {
  readonly body: string;
  readonly maxEvents: number;
  readonly maxGlobalEvents: number;
}

/** Appends the events numbered `first` to `last`, each on its channel and on `global`. */
export async function appendPlainly(
  connection: Connection,
  [first, last]: readonly [first: number, last: number],
  shape: Shape,
  { body, maxEvents, maxGlobalEvents }: PlainEvent,
): Promise<void> {
  const pipeline = connection.pipeline();
  const all = channelKeys('plain', GLOBAL_CHANNEL);
  for (let n = first; n <= last; n += 1) {
    const one = channelKeys('plain', `property:${propertyAt(n, shape)}`);
    pipeline
      .xadd(one.log, 'MAXLEN', '=', maxEvents, '*', 'd', body, 'i', `1-${n}`)
      .hset(one.snapshot, 'violations:HPD', body)
      .hset(one.facts, 'HPD', `{"c":1,"o":["HPD-${n}",4]}`)
      .hset(one.meta, 'v0', `1-${n}`)
      .spublish(one.topic, body)
      .xadd(all.log, 'MAXLEN', '=', maxGlobalEvents, '*', 'd', body, 'i', `1-${n}`)
      .spublish(all.topic, body);
  }
  const replies = await pipeline.exec();
  for (const [error] of replies ?? []) if (error) throw error;
}
