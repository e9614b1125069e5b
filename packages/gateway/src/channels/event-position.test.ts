import { formatPosition } from '@belfry/shared/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { positionInFrame } from './event-position.js';

const read = (text: string) => positionInFrame(Buffer.from(text));

it('finds any position that begins a frame', () => {
  const part = fc.integer({ min: 0, max: 9_999_999_999_999 });
  fc.assert(
    fc.property(part, part, (epoch, offset) => {
      expect(read(`{"id":"${formatPosition({ epoch, offset })}","type":"T"}`)).toEqual({ epoch, offset });
    }),
  );
});

it('finds none in anything else, and never throws', () => {
  for (const text of [
    '',
    '{',
    '{"id":"',
    '{"id":"1',
    '{"id":"1-',
    '{"id":"-1"',
    '{"id":"1-"',
    '{"id":"1-2',
    '{"id":"a-1"}',
  ]) {
    expect(read(text)).toBeUndefined();
  }
  expect(read('{"id":"12345678901234567-1"}')).toBeUndefined();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void positionInFrame(Buffer.from(bytes))));
});
