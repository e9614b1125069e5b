/**
 * What k6 reads of a frame. An event is one of ten thousand a second: most are only compared with what has to come, and of the
 * others only the head is looked at, by `indexOf`, as k6's interpreter takes many times longer to parse all of it; and no array is
 * taken apart, as each step of that makes an object. Everything else is rare and parsed whole.
 */

/** The type of the events that a load test publishes. */
export const EVENT_TYPE = 'load_test';

/** What each event says of itself, in its `message`: who published it, as which of its events in this channel, when. */
export interface Mark {
  /** Of one publisher in one run, for one channel, whose name stands at its end. */
  readonly source: string;
  /** From 1, in each channel. */
  readonly n: number;
  /** Milliseconds since 1970: just before the request to the intake. */
  readonly sentMs: number;
  /** Milliseconds since 1970: before this source published anything. */
  readonly sinceMs: number;
  /** It is the last one: so many have been published and accepted in this channel, this one included. */
  readonly last: boolean;
}

export interface LoadEvent extends Mark {
  readonly id: string;
}

/** Any other frame. */
export interface OtherFrame {
  readonly type: string;
  readonly id?: string;
  readonly recovered?: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly channel?: string;
  readonly ref?: string;
  readonly reason?: string;
}

const OPENING = '"message":"load ';
const TYPE = `"type":"${EVENT_TYPE}"`;

/** How the sources of a run begin. */
export const runOf = (startedMs: number): string => startedMs.toString(36);

export function writeMark({ source, n, sentMs, sinceMs, last }: Mark): string {
  return `load ${source} ${n} ${sentMs} ${sinceMs} ${last ? 'last' : 'more'}`;
}

/** The event in this frame; undefined where it is another frame, or none of ours. */
export function readEvent(text: string): LoadEvent | undefined {
  const type = text.indexOf(TYPE);
  // A snapshot holds events too: theirs are not its own fields.
  if (type < 0 || text.startsWith('{"type":"STATE"')) return undefined;
  const opening = text.indexOf(OPENING);
  const id = text.indexOf('"id":"');
  if (opening < 0 || id < 0) return undefined;
  const from = opening + OPENING.length;
  const n = text.indexOf(' ', from) + 1;
  const sent = text.indexOf(' ', n) + 1;
  const since = text.indexOf(' ', sent) + 1;
  const last = text.indexOf(' ', since) + 1;
  return {
    id: text.slice(id + 6, text.indexOf('"', id + 6)),
    source: text.slice(from, n - 1),
    n: Number(text.slice(n, sent - 1)),
    sentMs: Number(text.slice(sent, since - 1)),
    sinceMs: Number(text.slice(since, last - 1)),
    last: text.startsWith('last"', last),
  };
}

/** How an event's frame begins. */
export const openingOf = (epoch: string, offset: number): string => `{"id":"${epoch}-${offset}"`;

/** What stands in an event's mark before `sentMs`, */
export const markOf = (source: string, n: number): string => `${OPENING}${source} ${n} `;
/** and behind it, where it is not the last one. */
export const tailOf = ({ sinceMs }: Mark): string => ` ${sinceMs} more"`;

/** Of milliseconds since 1970, from 2001 to 2286. */
const MS_DIGITS = 13;

/** When this event was sent; undefined where it has another mark. */
export function sentIn(text: string, mark: string, tail: string): number | undefined {
  const found = text.indexOf(mark);
  if (found < 0) return undefined;
  const from = found + mark.length;
  return text.startsWith(tail, from + MS_DIGITS) ? Number(text.slice(from, from + MS_DIGITS)) : undefined;
}

/** Undefined where it is no frame at all: an error thrown here would end all clients of the thread, and nobody would miss them. */
export function readOther(text: string): OtherFrame | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === 'object' && frame !== null ? (frame as OtherFrame) : undefined;
  } catch {
    return undefined;
  }
}
