import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkEntry, openEntry, type ParsedEntry } from './entry.js';
import { compareIds, earlierId, laterId, millisecondsOf } from './id.js';

const read = (...fields: string[]): ParsedEntry => {
  const opened = openEntry({ id: '1-1', fields });
  return 'error' in opened ? opened : checkEntry(opened, 3);
};
const change = { property_id: '1012650001', violation_type: 'HPD', count: 1 };

describe('an intake entry', () => {
  it('brings one change, or an array of them', () => {
    expect(read('change', JSON.stringify(change))).toMatchObject({
      content: { key: undefined, items: [{ kind: 'change', channel: 'property:1012650001', change }] },
    });
    expect(read('change', JSON.stringify([change, change]), 'key', 'k')).toMatchObject({
      content: { key: 'k', items: [{ change }, { change }] },
    });
  });

  it('brings events to any channel', () => {
    expect(read('event', '{"channel":"user:42","type":"kpi:update","open":7}')).toMatchObject({
      content: { items: [{ kind: 'event', channel: 'user:42', event: { type: 'kpi:update', open: 7 } }] },
    });
  });

  it('may have fields that nobody knows', () => {
    expect(read('trace', 'abc', 'change', JSON.stringify(change))).toHaveProperty('content');
  });

  it.each([
    ['nothing in it', [], /needs a field/],
    ['two kinds in it', ['change', '{}', 'event', '{}'], /one field/],
    ['no JSON', ['change', '{'], /is not JSON/],
    ['an empty array', ['change', '[]'], /empty array/],
    ['a wrong change', ['change', '{"property_id":"1"}'], /violation_type/],
    ['one wrong change among right ones', ['change', JSON.stringify([change, {}])], /^item 1: /],
    ['too long a key', ['change', JSON.stringify(change), 'key', 'k'.repeat(257)], /^key:/],
    ['a key that is not text', ['change', JSON.stringify(change), 'key', '\ufffd\u0001'], /^key: must be text/],
    ['more of one channel than its log holds', ['change', JSON.stringify(Array(4).fill(change))], /4 items of one/],
    ['too many items', ['change', JSON.stringify(Array(1001).fill(change))], /1000 items/],
  ])('is a dead letter with %s', (_, fields, error) => {
    expect(read(...fields)).toEqual({ error: expect.stringMatching(error) });
  });

  it('is never thrown over, whatever it holds', () => {
    fc.assert(
      fc.property(fc.constantFrom('change', 'event'), fc.oneof(fc.json(), fc.string()), (name, text) => {
        expect(['content', 'error']).toContain(Object.keys(read(name, text))[0]);
      }),
    );
  });
});

describe('ids', () => {
  it('are ordered as numbers, part by part', () => {
    const id = fc.tuple(fc.nat(), fc.nat());
    fc.assert(
      fc.property(id, id, ([a, b], [c, d]) => {
        expect(Math.sign(compareIds(`${a}-${b}`, `${c}-${d}`))).toBe(Math.sign(a - c || b - d));
      }),
    );
    const long = fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 8n });
    const sign = (difference: bigint): number => (difference < 0n ? -1 : Number(difference > 0n));
    fc.assert(
      fc.property(long, long, (a, b) => {
        for (const ms of ['1-', '9999999999999-'])
          expect(Math.sign(compareIds(`${ms}${a}`, `${ms}${b}`))).toBe(sign(a - b));
        expect(Math.sign(compareIds(`${a}-0`, `${b}-0`))).toBe(sign(a - b));
      }),
    );
    expect(earlierId('9-2', '9-10')).toBe('9-2');
    expect(laterId('9-2', '10-0')).toBe('10-0');
    expect(millisecondsOf('1795230066458-3')).toBe(1_795_230_066_458);
  });
});
