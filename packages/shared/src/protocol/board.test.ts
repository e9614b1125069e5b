import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BoardDocument, diffDocuments, mergePatch } from './board.js';

const document = fc.dictionary(
  fc.oneof(fc.constantFrom('status', 'cost', '__proto__', 'constructor'), fc.string({ maxLength: 3 })),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 5 },
) as fc.Arbitrary<BoardDocument>;
/** As it comes from the wire: `__proto__` is a member like any other, -0 is 0. */
const wired = (value: BoardDocument): BoardDocument => JSON.parse(JSON.stringify(value)) as BoardDocument;

describe('a patch between two documents', () => {
  it('makes the second of the first, whatever they hold, or there is none because a member became null', () => {
    fc.assert(
      fc.property(document.map(wired), document.map(wired), (from, to) => {
        const patch = diffDocuments(from, to);
        if (patch) expect(mergePatch(from, wired(patch))).toEqual(to);
        else expect(Object.values(to)).toContain(null);
      }),
    );
  });

  it('names only what is different', () => {
    expect(diffDocuments({ a: 1, b: { c: 2 }, d: 3 }, { a: 1, b: { c: 3 }, e: 4 })).toEqual({
      d: null,
      b: { c: 3 },
      e: 4,
    });
    expect(diffDocuments({ a: 1, n: null }, { a: 1, n: null })).toEqual({});
  });

  it('sets members whole: what is inside of one is not merged', () => {
    expect(mergePatch({ budget: { spent: 1, limit: 9 } }, { budget: { spent: 2 } })).toEqual({ budget: { spent: 2 } });
  });

  it('cannot reach the prototype of a document', () => {
    const merged = mergePatch({}, JSON.parse('{"__proto__":{"admin":true}}') as BoardDocument);
    expect((merged as { admin?: boolean }).admin).toBeUndefined();
  });
});
