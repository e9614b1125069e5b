import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameRing } from './frame-ring.js';

const texts = (ring: FrameRing, index = 0) => ring.from(index).map(String);

describe('a ring of frames', () => {
  it('holds what a list would hold, in whatever order frames of whatever size come and go', () => {
    const size = fc.integer({ min: 1, max: 200 });
    const steps = fc.array(
      fc.oneof({ weight: 3, arbitrary: size }, fc.constantFrom('shift' as const, 'clear' as const)),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, fc.boolean(), (taken, asText) => {
        const ring = new FrameRing();
        const list: string[] = [];
        for (const [n, step] of taken.entries()) {
          if (step === 'shift') {
            if (list.length > 0) ring.shift();
            list.shift();
          } else if (step === 'clear') {
            ring.clear();
            list.length = 0;
          } else {
            const text = String.fromCharCode(97 + (n % 26)).repeat(step);
            ring.push(asText ? text : Buffer.from(text));
            list.push(text);
          }
          expect(ring.length).toBe(list.length);
          expect(texts(ring)).toEqual(list);
        }
        for (let index = 0; index <= list.length; index += 1) expect(texts(ring, index)).toEqual(list.slice(index));
      }),
    );
  });

  it('uses its memory again', () => {
    const ring = new FrameRing();
    for (let n = 0; n < 10; n += 1) ring.push('x'.repeat(100));
    const { bytes } = ring;
    for (let n = 0; n < 1_000; n += 1) {
      ring.shift();
      ring.push(`${n}`.padStart(100));
    }
    expect(ring.bytes).toBe(bytes);
    expect(texts(ring, 9)).toEqual(['999'.padStart(100)]);
    ring.clear();
    ring.push('after');
    expect([ring.bytes, texts(ring)]).toEqual([bytes, ['after']]);
  });

  it('counts letters of several bytes as what they take', () => {
    const ring = new FrameRing();
    for (const text of ['é'.repeat(40), '漢字', 'ascii']) ring.push(text);
    expect(texts(ring)).toEqual(['é'.repeat(40), '漢字', 'ascii']);
  });
});
