/** Makes new inputs of old ones: bits, bytes, pieces, words of the format, two inputs spliced. The same seed makes the same. */

export type Random = () => number;

/** Mulberry32: small, fast, and good enough to choose bytes with. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Longer than anything that a reader here takes from a stranger in one piece, by default. */
const MAX_INPUT_BYTES = 32_768;
const NUMBERS = ['0', '-1', '1e999', '9007199254740993', '18446744073709551616', '-0', '1e-7', '4294967296', '0x10'];
const TEXTS = [
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  '\r\n',
  '\u202e',
  '\ud800',
  '𝟙',
  '{{',
  '%00',
  '../',
  '*',
];
const SHAPES = ['null', '{}', '[]', '[[[[[[[[', '{"a":', '""', 'true', ',', ':', '"', '\\', '\\u0000', '\\ud800'];

export function createMutator(random: Random, words: readonly string[]) {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const dictionary = [...words, ...words, ...NUMBERS, ...TEXTS, ...SHAPES];

  function put(input: Buffer, piece: Buffer): Buffer {
    const at = below(input.length + 1);
    const over = random() < 0.5 ? Math.min(input.length - at, piece.length) : 0;
    return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + over)]);
  }

  function once(input: Buffer, other: Buffer): Buffer {
    const at = below(input.length + 1);
    const length = 1 + below(Math.max(1, Math.min(64, input.length - at)));
    switch (below(9)) {
      case 0: {
        const copy = Buffer.from(input);
        if (copy.length > 0) copy[at % copy.length] = (copy[at % copy.length] as number) ^ (1 << below(8));
        return copy;
      }
      case 1:
        return put(input, Buffer.from([below(256)]));
      case 2:
        return Buffer.concat([input.subarray(0, at), input.subarray(at + length)]);
      case 3:
        return put(input, input.subarray(at, at + length));
      case 4:
        return input.subarray(0, at);
      case 5:
        return Buffer.concat([input.subarray(0, at), other.subarray(below(other.length + 1))]);
      case 6: {
        // Many times the same: what nests, and what is counted.
        const piece = random() < 0.5 ? Buffer.from(pick(dictionary)) : input.subarray(at, at + length);
        return put(input, Buffer.concat(Array<Buffer>(2 ** below(11)).fill(piece)));
      }
      default:
        return put(input, Buffer.from(pick(dictionary)));
    }
  }

  return {
    pick,
    /** One to eight changes of `input`. */
    mutate(input: Buffer, other: Buffer): Buffer {
      let result = input;
      for (let n = 1 + below(8); n > 0; n -= 1) result = once(result, other).subarray(0, MAX_INPUT_BYTES);
      return result;
    },
  };
}
