/**
 * Reads a stream of WebSocket frames for no more than a measurement needs: where one ends and the next begins. Long frames
 * are counted and passed over unread; only short ones, and those of a connection that is still being set up, become text.
 */

export interface FrameSink {
  /** A frame that was wanted whole. */
  text(text: string): void;
  /** A long frame began: what has come of its payload stands in `chunk` from `start` to `end`. */
  long(chunk: Buffer, start: number, end: number): void;
}

/** The longest payload whose length stands in the second byte of a frame. */
const SHORT = 125;
const EMPTY = Buffer.alloc(0);

export class FrameReader {
  /** Whether every frame is wanted as text. */
  whole = true;
  /** Bytes of the present frame that are still to come, and are not wanted. */
  #skip = 0;
  #rest: Buffer = EMPTY;

  /** `bytes` is not kept. */
  read(bytes: Buffer, sink: FrameSink): void {
    let chunk = bytes;
    if (this.#rest.length > 0) {
      chunk = Buffer.concat([this.#rest, bytes]);
      this.#rest = EMPTY;
    }
    let at = this.#skip;
    const end = chunk.length;
    while (at < end) {
      const short = end - at >= 2 ? (chunk[at + 1] as number) & 0x7f : 0;
      const header = short <= SHORT ? 2 : short === 126 ? 4 : 10;
      if (end - at < header) break;
      const length =
        short <= SHORT ? short : short === 126 ? chunk.readUInt16BE(at + 2) : Number(chunk.readBigUInt64BE(at + 2));
      const start = at + header;
      if (this.whole || length <= SHORT) {
        if (end < start + length) break;
        // The opcode: pings of the protocol itself, and closes, are nothing to read.
        if (((chunk[at] as number) & 0x0f) === 1) sink.text(chunk.toString('latin1', start, start + length));
      } else {
        sink.long(chunk, start, Math.min(end, start + length));
      }
      at = start + length;
    }
    if (at >= end) {
      this.#skip = at - end;
      return;
    }
    this.#skip = 0;
    this.#rest = Buffer.from(chunk.subarray(at));
  }
}

/** A text frame of a client. Its mask is all zeros, which leaves the payload as it is. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length > SHORT;
  const header = Buffer.alloc(long ? 8 : 6);
  header[0] = 0x81;
  header[1] = 0x80 | (long ? 126 : payload.length);
  if (long) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}
