/** What a client concludes: each way in which events can be wrong is told apart, and what is right is not complained of. */
import { describe, expect, it } from 'vitest';
import { type Audit, createAudit } from './audit.ts';
import { type LoadEvent, readEvent, writeMark } from './frames.ts';

const SINCE = 1_000;
const event = (offset: number, n: number, more: Partial<LoadEvent> = {}): LoadEvent => ({
  id: `7-${offset}`,
  source: 'a@property:1',
  n,
  sentMs: SINCE + n,
  sinceMs: SINCE,
  last: false,
  ...more,
});
const NOTHING = { gaps: 0, missing: 0, repeated: 0, reordered: 0, strays: 0 };

function joined(nowMs = SINCE - 1, id = '7-10'): Audit {
  const audit = createAudit('property:1');
  audit.subscribed(id, undefined, nowMs);
  return audit;
}

describe('an audit', () => {
  it('finds nothing wrong with events that continue, up to the last one', () => {
    const audit = joined();
    expect(audit.event(event(11, 1))).toEqual(NOTHING);
    expect(audit.event(event(12, 2))).toEqual(NOTHING);
    expect(audit.event(event(13, 3, { last: true }))).toEqual(NOTHING);
    expect(audit.position()).toBe('7-13');
  });

  it('finds an event that was lost on its way: both the offset and the count tell', () => {
    const audit = joined();
    audit.event(event(11, 1));
    expect(audit.event(event(13, 3))).toEqual({ ...NOTHING, gaps: 1, missing: 1 });
    expect(audit.event(event(14, 4))).toEqual(NOTHING);
  });

  it('finds an event that was accepted and never got an offset: only the count tells', () => {
    const audit = joined();
    audit.event(event(11, 1));
    expect(audit.event(event(12, 3))).toEqual({ ...NOTHING, missing: 1 });
  });

  it('finds the first ones missing where the client was there before, and not where it came later', () => {
    expect(joined(SINCE - 1).event(event(11, 3))).toEqual({ ...NOTHING, missing: 2 });
    expect(joined(SINCE + 1).event(event(11, 3))).toEqual(NOTHING);
  });

  it('finds what comes twice, by its offset or by its count', () => {
    const audit = joined();
    audit.event(event(11, 1));
    expect(audit.event(event(11, 1))).toEqual({ ...NOTHING, repeated: 1 });
    expect(audit.event(event(12, 1))).toEqual({ ...NOTHING, repeated: 1 });
    expect(audit.event(event(13, 2))).toEqual(NOTHING);
  });

  it('tells what comes late from what comes twice', () => {
    const audit = joined();
    expect(audit.event(event(13, 3))).toEqual({ ...NOTHING, gaps: 2, missing: 2 });
    expect(audit.event(event(12, 2))).toEqual({ ...NOTHING, reordered: 1 });
    expect(audit.event(event(12, 2))).toEqual({ ...NOTHING, repeated: 1 });
    expect(audit.event(event(14, 4))).toEqual(NOTHING);
  });

  it('takes a new epoch from its beginning, and no later', () => {
    const audit = joined();
    audit.event(event(11, 1));
    expect(audit.event(event(1, 2, { id: '8-1' }))).toEqual(NOTHING);
    expect(audit.event(event(2, 3, { id: '9-2' }))).toEqual({ ...NOTHING, gaps: 1 });
    expect(audit.event(event(1, 4, { id: '8-1' }))).toEqual({ ...NOTHING, gaps: 1 });
  });

  it('finds by its count what a new epoch left out', () => {
    const audit = joined();
    audit.event(event(11, 1));
    expect(audit.event(event(1, 3, { id: '8-1' }))).toEqual({ ...NOTHING, missing: 1 });
  });

  it('holds what comes after a return to what came before it', () => {
    const audit = joined();
    audit.event(event(11, 1));
    audit.subscribed('7-13', true, SINCE + 5);
    expect(audit.position()).toBe('7-11');
    expect(audit.event(event(13, 3))).toEqual({ ...NOTHING, gaps: 1, missing: 1 });
  });

  it('begins anew where the server says that it could not continue', () => {
    const audit = joined();
    audit.event(event(11, 1));
    audit.subscribed('9-40', false, SINCE + 5);
    expect(audit.event(event(41, 30, { id: '9-41' }))).toEqual(NOTHING);
    audit.resynced('9-50');
    expect(audit.event(event(51, 60, { id: '9-51' }))).toEqual(NOTHING);
  });

  it('knows whether it has come to a position, in its own epoch and across them', () => {
    expect(createAudit('property:1').reached('7-0')).toBe(false);
    const audit = joined();
    expect([audit.reached('7-10'), audit.reached('7-11'), audit.reached('8-1')]).toEqual([true, false, false]);
    audit.event(event(11, 1));
    expect(audit.reached('7-11')).toBe(true);
    audit.event(event(1, 2, { id: '8-1' }));
    expect([audit.reached('7-99'), audit.reached('8-1'), audit.reached('8-2')]).toEqual([true, true, false]);
  });

  it('counts each source by itself', () => {
    const audit = joined();
    expect(audit.event(event(11, 1))).toEqual(NOTHING);
    expect(audit.event(event(12, 1, { source: 'b@property:1' }))).toEqual(NOTHING);
    expect(audit.event(event(13, 3, { source: 'b@property:1' }))).toEqual({ ...NOTHING, missing: 1 });
    expect(audit.event(event(14, 2))).toEqual(NOTHING);
  });
});

describe('what an audit knows by its text', () => {
  const NOW = 1_700_000_000_000;
  const frameOf = (offset: number, n: number, more: Partial<LoadEvent> = {}): string => {
    const { id, ...mark } = event(offset, n, { sentMs: NOW + n, sinceMs: NOW, ...more });
    return JSON.stringify({ id, type: 'load_test', channel: 'property:1', message: writeMark(mark), filling: 'xx' });
  };
  /** As a seat does: what is not just what has to come is read and judged. */
  function judge(audit: Audit, text: string) {
    const sentMs = audit.expected(text);
    if (sentMs !== undefined) return sentMs;
    return audit.event(readEvent(text) as LoadEvent);
  }
  function following(): Audit {
    const audit = joined(NOW - 1);
    expect(judge(audit, frameOf(11, 1))).toEqual(NOTHING);
    expect(judge(audit, frameOf(12, 2))).toBe(NOW + 2);
    return audit;
  }

  it('is the next event of the same source, and when it was sent', () => {
    const audit = following();
    expect(judge(audit, frameOf(13, 3, { sentMs: NOW + 77 }))).toBe(NOW + 77);
    expect(audit.position()).toBe('7-13');
  });

  it('is nothing before the first event, nor behind a resync', () => {
    const audit = following();
    audit.resynced('7-20');
    expect(judge(audit, frameOf(21, 9))).toEqual(NOTHING);
    expect(judge(audit, frameOf(22, 10))).toBe(NOW + 10);
  });

  it('is not the last event, nor one of another source, epoch, offset or count', () => {
    expect(judge(following(), frameOf(13, 3, { last: true }))).toEqual(NOTHING);
    expect(judge(following(), frameOf(13, 1, { source: 'b@property:1' }))).toEqual(NOTHING);
    expect(judge(following(), frameOf(1, 3, { id: '8-1' }))).toEqual(NOTHING);
    expect(judge(following(), frameOf(12, 2))).toEqual({ ...NOTHING, repeated: 1 });
    expect(judge(following(), frameOf(13, 2))).toEqual({ ...NOTHING, repeated: 1 });
    expect(judge(following(), frameOf(14, 3))).toEqual({ ...NOTHING, gaps: 1 });
    expect(judge(following(), frameOf(13, 4))).toEqual({ ...NOTHING, missing: 1 });
    expect(judge(following(), frameOf(13, 1, { source: 'a@property:2' }))).toEqual({ ...NOTHING, strays: 1 });
  });

  it('is forgotten with anything that is not in order, and what was counted is not', () => {
    const audit = following();
    expect(judge(audit, frameOf(13, 1, { source: 'b@property:1' }))).toEqual(NOTHING);
    expect(judge(audit, frameOf(14, 4))).toEqual({ ...NOTHING, missing: 1 });
    expect(judge(audit, frameOf(15, 5))).toEqual(NOTHING);
    expect(judge(audit, frameOf(16, 6))).toBe(NOW + 6);
    expect(judge(audit, frameOf(17, 2, { source: 'b@property:1' }))).toEqual(NOTHING);
    expect(judge(audit, frameOf(18, 7))).toEqual(NOTHING);
  });

  it('is never one of a property that the client does not follow', () => {
    const audit = joined(NOW - 1);
    for (const [offset, n] of [
      [11, 1],
      [12, 2],
    ] as const) {
      expect(judge(audit, frameOf(offset, n, { source: 'a@property:2' }))).toEqual({ ...NOTHING, strays: 1 });
    }
  });
});

describe('reading a frame', () => {
  const mark = { source: 'run1', n: 12, sentMs: 1_700_000_000_123, sinceMs: 1_700_000_000_000, last: true };
  const frame = { id: '7-12', channel: 'property:load-1', type: 'load_test', timestamp: 1, message: writeMark(mark) };

  it('finds in an event what was written into it, wherever its fields stand', () => {
    expect(readEvent(JSON.stringify({ ...frame, filling: 'xxx' }))).toEqual({ ...mark, id: '7-12' });
    const { id, ...rest } = frame;
    expect(readEvent(JSON.stringify({ ...rest, id }))).toEqual({ ...mark, id: '7-12' });
  });

  it('takes nothing else for an event: not a snapshot that holds one, and no other type', () => {
    expect(readEvent(JSON.stringify({ type: 'STATE', id: '7-12', events: [frame] }))).toBeUndefined();
    expect(readEvent(JSON.stringify({ ...frame, type: 'VIOLATION_UPDATE' }))).toBeUndefined();
    expect(readEvent('{"type":"PING"}')).toBeUndefined();
  });
});
