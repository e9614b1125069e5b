/** One key of a board: its newest value, what the followers were sent of it, and the frame that brings them from one to the other. */
import {
  type BoardDocument,
  comparePositions,
  diffDocuments,
  formatPosition,
  isDocument,
  keyOf,
  type Position,
  STATE_UPDATE,
} from '@belfry/shared/protocol';

/** A value as it stands in the log. */
export interface BoardValue {
  readonly key: string;
  readonly position: Position;
  /** The event as text; a removal is one too. */
  readonly frame: string;
  /** Undefined where the event holds something else: then there are no patches. */
  readonly document: BoardDocument | undefined;
  readonly timestamp: number;
  readonly removed: boolean;
}

/** What goes over the wire for a key. */
export interface Push {
  readonly key: string;
  readonly form: 'document' | 'patch' | 'removal';
  readonly frame: Buffer;
}

/** @throws SyntaxError, TypeError when the frame is no event */
export function readValue(position: Position, frame: string): BoardValue {
  const event = JSON.parse(frame) as { type: string; key?: unknown; timestamp?: unknown; [field: string]: unknown };
  const document = event.type === STATE_UPDATE && isDocument(event.document) ? event.document : undefined;
  return {
    key: keyOf(event),
    position,
    frame,
    document,
    timestamp: Number(event.timestamp) || 0,
    removed: event.type === STATE_UPDATE && event.removed === true,
  };
}

/** For a key that is gone without its removal having been seen. @param timestamp seconds */
export function removalOf(channel: string, key: string, position: Position, timestamp: number): BoardValue {
  const frame = `{"id":"${formatPosition(position)}",${head(channel, key, timestamp)},"removed":true}`;
  return { key, position, frame, document: undefined, timestamp, removed: true };
}

const head = (channel: string, key: string, timestamp: number): string =>
  `"channel":"${channel}","type":"${STATE_UPDATE}","key":${JSON.stringify(key)},"timestamp":${timestamp}`;

/** The whole value. */
export const pushOf = (value: BoardValue): Push => ({
  key: value.key,
  form: value.removed ? 'removal' : 'document',
  frame: Buffer.from(value.frame),
});

/** What brings a follower from `sent` to `value`: a patch where there can be one and it is smaller. */
export function pushFrom(sent: BoardValue | undefined, value: BoardValue, channel: string): Push {
  const patch = sent?.document && value.document && diffDocuments(sent.document, value.document);
  if (!sent || !patch) return pushOf(value);
  const id = formatPosition(value.position);
  const base = formatPosition(sent.position);
  const frame = `{"id":"${id}",${head(channel, value.key, value.timestamp)},"base":"${base}","patch":${JSON.stringify(patch)}}`;
  return frame.length < value.frame.length
    ? { key: value.key, form: 'patch', frame: Buffer.from(frame) }
    : pushOf(value);
}

export const isNewer = (a: BoardValue, b: BoardValue): boolean => comparePositions(a.position, b.position) > 0;
