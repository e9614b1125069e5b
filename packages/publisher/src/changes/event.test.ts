import { describe, expect, it } from 'vitest';
import { parseEvent, serviceEventBody, snapshotKeyOf } from './event.js';

const parsed = (input: unknown) => {
  const result = parseEvent(input);
  if ('error' in result) throw new Error(result.error);
  return result.event;
};

const violations = (more: object = {}) => ({
  channel: 'user:landlord-7',
  type: 'VIOLATION_UPDATE',
  property_id: '1012650001',
  violation_type: 'HPD',
  count: 3,
  new_violations: 1,
  resolved: 0,
  severity: 'high',
  message: '1 new HPD violation: 3 open',
  ...more,
});

describe('an event of a service', () => {
  it('may tell of violations, with what dashboards rely on and whatever else', () => {
    const event = violations({ open_by_severity: { high: 3 }, violations: [{ number: 'a-1' }], inspector: 'manager' });
    expect(parsed(event)).toEqual(event);
  });

  it('keeps its data, and gets its channel’s canonical name', () => {
    const event = parsed({ channel: 'property-456', type: 'application_submitted', application: { unit: '4B' } });
    expect(event).toEqual({ channel: 'property:456', type: 'application_submitted', application: { unit: '4B' } });
    expect(serviceEventBody(event, 12.5)).toBe(
      '{"channel":"property:456","type":"application_submitted","timestamp":12.5,"application":{"unit":"4B"}}',
    );
  });

  it('never brings an id of its own: the log gives it', () => {
    expect(parsed({ channel: 'global', type: 'SYSTEM_NOTIFICATION', id: '1-1' })).not.toHaveProperty('id');
  });

  it.each([
    ['no object', 'text', /one JSON object/],
    ['an array', [], /one JSON object/],
    ['no channel', { type: 'a' }, /^channel:/],
    ['an unknown kind of channel', { channel: 'room:1', type: 'a' }, /^channel:/],
    ['no type', { channel: 'user:1' }, /^type:/],
    ['a type that the gateway uses', { channel: 'user:1', type: 'RESYNC' }, /gateway/],
    ['a time in words', { channel: 'user:1', type: 'a', timestamp: 'now' }, /^timestamp:/],
    ['an empty key', { channel: 'user:1', type: 'a', key: '' }, /^key:/],
    ['a key with half of a pair', { channel: 'user:1', type: 'a', key: 'a\ud800' }, /^key: .*surrogate/],
    ['a key that was no UTF-8', { channel: 'user:1', type: 'a', key: '\ufffd' }, /^key: .*FFFD/],
    ['a board’s event elsewhere', { channel: 'user:1', type: 'STATE_UPDATE', key: 'a', document: {} }, /boards/],
    ['a board’s event without a key', { channel: 'state:a', type: 'STATE_UPDATE', document: {} }, /^key:/],
    ['nothing for a board', { channel: 'state:a', type: 'STATE_UPDATE', key: 'a' }, /one of document, patch/],
    [
      'two things for a board',
      { channel: 'state:a', type: 'STATE_UPDATE', key: 'a', document: {}, patch: {} },
      /one of document, patch/,
    ],
    ['a document that is none', { channel: 'state:a', type: 'STATE_UPDATE', key: 'a', document: [] }, /^document:/],
    ['a removal that is none', { channel: 'state:a', type: 'STATE_UPDATE', key: 'a', removed: false }, /^removed:/],
    [
      'violations that dashboards cannot show',
      { channel: 'property:1', type: 'VIOLATION_UPDATE', property_id: '1', violation_type: 'HPD', count: 3 },
      /^new_violations: /,
    ],
    ['violations of a severity that nobody knows', violations({ severity: 'dire' }), /^severity: /],
    ['too much data', { channel: 'user:1', type: 'a', data: 'x'.repeat(20_000) }, /longer than/],
  ])('is refused with %s', (_, input, error) => {
    expect(parseEvent(input)).toEqual({ error: expect.stringMatching(error) });
  });

  it('is nested sixty-four levels deep at most', () => {
    const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
    expect(parseEvent({ channel: 'user:1', type: 'a', data: nested(63) })).toHaveProperty('event');
    for (const levels of [66, 5_000]) {
      const input = { channel: 'user:1', type: 'a', data: nested(levels) };
      expect(parseEvent(input)).toEqual({ error: expect.stringMatching(/deeper/) });
    }
  });

  it('replaces what has the same key; on a board, what has the same type', () => {
    expect(snapshotKeyOf({ channel: 'user:1', type: 'kpi:update', key: 'kpi' })).toBe('event:kpi');
    expect(snapshotKeyOf({ channel: 'user:1', type: 'kpi:update' })).toBeUndefined();
    expect(snapshotKeyOf({ channel: 'state:sources', type: 'sources' })).toBe('event:sources');
  });
});
