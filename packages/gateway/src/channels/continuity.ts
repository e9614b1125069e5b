/** What of the log a channel has to read, and whether the reading continues what is known of the channel. */
import type { ChannelReading, ReadRequest } from '@belfry/shared/log';
import { comparePositions, type Position } from '@belfry/shared/protocol';
import type { JoinRequest } from './hub-channel.js';

/** More events than any log keeps. */
const WHOLE_LOG = 1_000_000;

/**
 * One reading that brings the channel on from `position`, and with it everybody who waits to join.
 * @param position undefined where the channel does not know yet where it stands
 * @param snapshotNeeded whether an earlier reading found no continuity
 */
export function readingFor(
  position: Position | undefined,
  waiting: Iterable<Pick<JoinRequest, 'after' | 'rewind'>>,
  snapshotNeeded: boolean,
): ReadRequest {
  let from = position;
  let wholeLog = false;
  for (const { after, rewind } of waiting) {
    if (after && (!from || comparePositions(after, from) < 0)) from = after;
    if (rewind) wholeLog = true;
  }
  if (wholeLog) from = undefined;
  const history = wholeLog || from !== undefined;
  const snapshot = snapshotNeeded ? 'always' : history ? 'broken' : 'never';
  return { from, last: history ? WHOLE_LOG : 0, snapshot };
}

/** What the reading has beyond `position`; undefined when the two do not connect. */
export function missingAfter(
  position: Position,
  request: ReadRequest,
  reading: ChannelReading,
): ChannelReading['entries'] | undefined {
  if (comparePositions(reading.position, position) <= 0) return [];
  if (reading.continuous && request.from && comparePositions(request.from, position) === 0) return reading.entries;
  const index = reading.entries.findIndex((entry) => comparePositions(entry.position, position) === 0);
  return index === -1 ? undefined : reading.entries.slice(index + 1);
}
