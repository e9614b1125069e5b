/**
 * What one client may conclude from what it got. Two questions, asked independently: do the offsets continue (the cluster's
 * word), and is everything there that the publisher says it published (the load test's own count)?
 */
import { type LoadEvent, markOf, openingOf, sentIn, tailOf } from './frames.ts';

export interface Finding {
  /** Offsets that were skipped without a word. */
  readonly gaps: number;
  /** Events that the publisher counts and this client never got. */
  readonly missing: number;
  /** Offsets or counts that came a second time. */
  readonly repeated: number;
  /** Came behind a later one, for the first time: it was skipped before, and counted as such. */
  readonly reordered: number;
  /** Of a property that the client does not follow. */
  readonly strays: number;
}

export interface Audit {
  /** Where to resume; undefined before the first SUBSCRIBED. */
  position(): string | undefined;
  /** SUBSCRIBED came. `recovered`: as in the frame; `nowMs`: milliseconds since 1970. */
  subscribed(id: string, recovered: boolean | undefined, nowMs: number): void;
  /** The server said that it lost continuity, and that all is as in the snapshot at `id`. */
  resynced(id: string): void;
  /**
   * Nearly every event: where this frame is just the one that has to come, by its offset and by its count, and not the last, then
   * when it was sent. Otherwise undefined, and `event` has to judge it. Compares text with text, as every number that is read and every
   * object that is made costs k6 more than the event cost the cluster.
   */
  expected(text: string): number | undefined;
  event(event: LoadEvent): Finding;
  /** Everything up to `id` has come, or is known to be missing. */
  reached(id: string): boolean;
}

const NOTHING: Finding = { gaps: 0, missing: 0, repeated: 0, reordered: 0, strays: 0 };
/** So many skipped offsets are remembered, to know them when they come late. */
const MOST_SKIPPED = 1_000;

/** Of one channel, from a client's first subscription on, over all its connections. */
export function createAudit(channel: string): Audit {
  /** Where it is, in two: an object for each event is what k6 would spend its time on. Empty before the first SUBSCRIBED. */
  let epoch = '';
  let offset = 0;
  let joinedMs = Number.POSITIVE_INFINITY;
  /** Positions that were skipped and may yet come. */
  const skippedIds = new Set<string>();
  /** Per source: the count that must come next. That of `source` is in `due`, as long as there is a source. */
  const expected = new Map<string, number>();
  /** Whose event came last, where it was in order; otherwise empty. */
  let source = '';
  let due = 0;
  let tail = '';

  function moveTo(id: string): void {
    epoch = epochOf(id);
    offset = offsetOf(id);
  }

  /** Skipped where above 0, repeated where below. */
  function judgeOffset(id: string): number {
    if (epoch === '') return 0;
    const now = epochOf(id);
    if (now === epoch) return offsetOf(id) - offset - 1;
    // The gateway vouches for what was before a new epoch: it would have said STATE otherwise.
    return Number(now) > Number(epoch) && offsetOf(id) < 2 ? 0 : 1;
  }

  /** `skipped` positions before this one. */
  function remember(id: string, skipped: number): void {
    const next = offsetOf(id);
    for (let n = 1; n <= skipped && skippedIds.size < MOST_SKIPPED; n++) skippedIds.add(`${epochOf(id)}-${next - n}`);
  }

  /** Missing where above 0, repeated where below. */
  function judgeCount(event: LoadEvent): number {
    // Who was there before a source began has to get its first event; who came later begins with what comes.
    const next = expected.get(event.source) ?? (joinedMs < event.sinceMs ? 1 : event.n);
    expected.set(event.source, Math.max(next, event.n + 1));
    return event.n - next;
  }

  /** What comes from this source next can be told by its text. */
  function expectNext(event: LoadEvent): void {
    source = event.source;
    due = event.n + 1;
    tail = tailOf(event);
  }

  function expectAnything(): void {
    if (source !== '') expected.set(source, due);
    source = '';
  }

  return {
    position: () => (epoch === '' ? undefined : `${epoch}-${offset}`),
    subscribed(id, recovered, nowMs) {
      // The replay continues behind our own position: only then does each of its events show whether it does.
      if (recovered === true && epoch !== '') return;
      if (epoch === '') joinedMs = nowMs;
      else this.resynced(id);
      moveTo(id);
    },
    resynced(id) {
      moveTo(id);
      source = '';
      expected.clear();
      joinedMs = Number.POSITIVE_INFINITY;
    },
    expected(text) {
      if (source === '' || !text.startsWith(openingOf(epoch, offset + 1))) return undefined;
      const sentMs = sentIn(text, markOf(source, due), tail);
      if (sentMs === undefined) return undefined;
      offset += 1;
      due += 1;
      return sentMs;
    },
    event(event) {
      expectAnything();
      const skipped = judgeOffset(event.id);
      const uncounted = judgeCount(event);
      const late = skipped < 0 && skippedIds.delete(event.id);
      if (skipped > 0) remember(event.id, skipped);
      if (skipped >= 0) moveTo(event.id);
      const strays = event.source.endsWith(channel) ? 0 : 1;
      if (skipped === 0 && uncounted === 0 && strays === 0) {
        if (!event.last) expectNext(event);
        return NOTHING;
      }
      return {
        gaps: Math.max(0, skipped),
        missing: Math.max(0, uncounted),
        repeated: !late && (skipped < 0 || uncounted < 0) ? 1 : 0,
        reordered: late ? 1 : 0,
        strays,
      };
    },
    reached: (id) =>
      epoch === epochOf(id) ? offset >= offsetOf(id) : epoch !== '' && Number(epoch) > Number(epochOf(id)),
  };
}

const epochOf = (id: string) => id.slice(0, id.lastIndexOf('-'));
const offsetOf = (id: string) => Number(id.slice(id.lastIndexOf('-') + 1));
