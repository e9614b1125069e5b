/** However a stream is cut, each frame is counted once: a measurement stands on it. */
import { expect, it } from 'vitest';
import { FrameReader } from './frames.js';

/** A text frame of a server. */
function serverFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  if (length <= 125) return Buffer.concat([Buffer.from([0x81, length]), payload]);
  const header = Buffer.from([0x81, length < 65_536 ? 126 : 127, ...(length < 65_536 ? [0, 0] : new Array(8).fill(0))]);
  if (length < 65_536) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

const LENGTHS = [0, 1, 125, 126, 300, 65_535, 65_536, 7, 2, 3, 40, 41, 300];
const stream = Buffer.concat(LENGTHS.map((length) => serverFrame('x'.repeat(length))));

function read(reader: FrameReader, piece: number): { texts: number[]; longs: number } {
  const found = { texts: [] as number[], longs: 0 };
  const sink = {
    text: (text: string) => void found.texts.push(text.length),
    long: () => {
      found.longs += 1;
    },
  };
  for (let at = 0; at < stream.length; at += piece) reader.read(stream.subarray(at, at + piece), sink);
  return found;
}

it.each([41, 127, 1_000, 65_537, stream.length])('in pieces of %i bytes every frame is found once', (piece) => {
  expect(read(new FrameReader(), piece).texts).toEqual(LENGTHS);
  const counting = new FrameReader();
  counting.whole = false;
  expect(read(counting, piece)).toEqual({ texts: [0, 1, 125, 7, 2, 3, 40, 41], longs: 5 });
});
