import { CLIENT_MESSAGES } from '@belfry/shared/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readClientFrame } from './client-frame.js';

const read = (frame: unknown) => readClientFrame(JSON.stringify(frame));

/** Values that break what is careless: no prototype of their own, methods that are none, lists in lists. */
const nasty = fc.oneof(
  fc.constantFrom<unknown>(
    { toString: null, valueOf: null },
    { toString: 1 },
    { length: 3 },
    { __proto__: null },
    -0,
    1e308,
    '\ud800',
    'property:__proto__',
  ),
  fc.jsonValue(),
);
const fields = [
  'property_id',
  'property_ids',
  'channel',
  'channels',
  'after',
  'rewind',
  'ref',
  'token',
  'type',
] as const;
const frames = fc
  .record(Object.fromEntries(fields.map((field) => [field, fc.option(nasty, { nil: undefined })])))
  .chain((frame) =>
    fc
      .constantFrom(...Object.keys(CLIENT_MESSAGES), 'NOPE', undefined)
      .map((type) => (type ? { ...frame, type } : frame)),
  );

describe('whatever a client sends', () => {
  it('is answered, never thrown at: any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => void readClientFrame(text)));
  });

  it('is answered, never thrown at: frames with any value in any field', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const result = read(frame);
        if ('error' in result) expect(result.message).not.toBe('');
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    '"property_id":{"toString":null,"valueOf":null}',
    '"property_ids":[{"toString":1,"valueOf":1}]',
    `"property_id":${'['.repeat(7_000)}${']'.repeat(7_000)}`,
  ])('is answered, never thrown at: an id that cannot be made text (%#)', (field) => {
    expect(readClientFrame(`{"type":"SUBSCRIBE",${field}}`)).toMatchObject({ error: 'bad_message' });
  });
});

describe('a frame that says', () => {
  it('a property by text, number, or older name names the same channel', () => {
    const frames = [
      { property_id: '1012650001' },
      { property_id: 1012650001 },
      { property_ids: [1012650001] },
      { channel: 'property:1012650001' },
      { channels: ['property-1012650001'] },
    ];
    for (const frame of frames) {
      expect(read({ type: 'SUBSCRIBE', ...frame })).toMatchObject({
        channels: [{ parsed: { channel: 'property:1012650001' } }],
      });
    }
  });

  it('one position means it for every channel; positions by channel mean each its own, under either name', () => {
    const at = (frame: object) => {
      const result = read({ type: 'SUBSCRIBE', channels: ['property:1', 'property-2', 'global'], ...frame });
      return 'channels' in result
        ? result.channels.map(({ after }) => after && `${after.epoch}-${after.offset}`)
        : result;
    };
    expect(at({ after: '5-1' })).toEqual(['5-1', '5-1', '5-1']);
    expect(at({ after: { 'property:1': '5-1', 'property-2': '6-2' } })).toEqual(['5-1', '6-2', undefined]);
    expect(at({ after: { 'property:1': '5-1', 'property:2': '6-2' } })).toEqual(['5-1', '6-2', undefined]);
    expect(at({})).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    [{ type: 'SUBSCRIBE' }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channels: [] }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 5 }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 'global', after: 'yesterday' }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 'global', after: ['5-1'] }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 'global', after: { global: '99999999999999999-0' } }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 'global', rewind: -1 }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 'global', rewind: 1.5 }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channel: 'global', rewind: 1_001 }, 'bad_message'],
    [{ type: 'SUBSCRIBE', channels: Array.from({ length: 1_001 }, () => 'global') }, 'bad_message'],
    [{ type: 'AUTHENTICATE', token: 5 }, 'bad_message'],
    [{ type: 'PING', ref: {} }, 'bad_message'],
    [{ type: 'PING', ref: 'x'.repeat(129) }, 'bad_message'],
    [{ type: 'ping' }, 'unknown_type'],
    [{ type: 'constructor' }, 'unknown_type'],
    [{ type: 5 }, 'bad_message'],
    [[], 'bad_message'],
    [null, 'bad_message'],
    ['PING', 'bad_message'],
  ])('%j is refused as %s', (frame, error) => {
    expect(read(frame)).toMatchObject({ error });
  });

  it('what is no channel is passed on as named, for the one ERROR that it deserves', () => {
    expect(read({ type: 'SUBSCRIBE', channels: ['global', 'user:*', 'nobody:1'] })).toMatchObject({
      channels: [
        { given: 'global', parsed: { kind: 'global' } },
        { given: 'user:*', parsed: undefined },
        { parsed: undefined },
      ],
    });
  });

  it('an unknown field is understood without it, and a ref comes back with a refusal', () => {
    expect(read({ type: 'PING', ref: 7, more: { of: 'this' } })).toEqual({ type: 'PING', ref: 7 });
    expect(read({ type: 'SUBSCRIBE', ref: 'r' })).toMatchObject({ error: 'bad_message', ref: 'r' });
    expect(readClientFrame('{"type":"PING","__proto__":{"ref":1}}')).toMatchObject({ error: 'bad_message' });
  });
});
