/** Whether a reading of the log continues what is known of a channel. */
import type { ChannelReading, ReadRequest } from '@belfry/shared/log';
import { comparePositions, type Position } from '@belfry/shared/protocol';

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
