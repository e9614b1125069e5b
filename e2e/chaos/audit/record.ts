/**
 * The record: everything that happened to a client and that the auditor has to know, sixteen bytes each, in the order in
 * which the client saw it. Client processes write it, the auditor reads it when the run is over.
 *
 *   kind (4 bits) channel (12) client (16) │ a (32) │ b (32) │ c (32)
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** What a, b and c mean: most often the position's epoch, its offset, and one thing more. */
export const KIND = {
  /** An event was delivered. c: the change's number. */
  event: 1,
  /** The client asked to follow a channel. a, b: the position it named, 0 for none. */
  subscribe: 2,
  /** The answer. c: 0 without `recovered`, 1 true, 2 false; plus four times `replay`. */
  subscribed: 3,
  /** A snapshot. c: how many of its events follow. */
  state: 4,
  stateEvent: 5,
  resync: 6,
  unsubscribed: 7,
  /** The connection is gone. a: the close code. */
  closed: 8,
  /** A connection was opened. a: the gateway's number. */
  opened: 9,
  /** No client's: a is milliseconds since the start of the run. */
  time: 10,
  /** An ERROR. a: its index in the list of codes. */
  error: 11,
  /** A frame that nobody can understand, or that does not belong here. */
  foreign: 12,
} as const;

const CHUNK_RECORDS = 65_536;

/** Epochs are milliseconds since 1970: kept as the distance from this many before the run's start. */
const EPOCH_MARGIN_MS = 2 ** 31;
export const packEpoch = (epoch: number, startedAt: number): number =>
  epoch === 0 ? 0 : epoch - startedAt + EPOCH_MARGIN_MS;
export const unpackEpoch = (packed: number, startedAt: number): number =>
  packed === 0 ? 0 : packed + startedAt - EPOCH_MARGIN_MS;

export interface Recorder {
  write(kind: number, client: number, channel: number, a: number, b: number, c: number): void;
  readonly count: number;
  /** Writes what is left and closes the file; what comes later is not recorded. */
  close(): void;
}

export function openRecorder(file: string): Recorder {
  const fd = openSync(file, 'w');
  const words = new Uint32Array(CHUNK_RECORDS * 4);
  let used = 0;
  let count = 0;
  let closed = false;
  const flush = (): void => {
    writeSync(fd, words, 0, used * 4);
    used = 0;
  };
  return {
    write(kind, client, channel, a, b, c) {
      if (closed) return;
      words[used] = ((kind << 28) | (channel << 16) | client) >>> 0;
      words[used + 1] = a;
      words[used + 2] = b;
      words[used + 3] = c;
      used += 4;
      count += 1;
      if (used === words.length) flush();
    },
    get count() {
      return count;
    },
    close() {
      if (closed) return;
      closed = true;
      flush();
      closeSync(fd);
    },
  };
}

export type RecordHandler = (kind: number, client: number, channel: number, a: number, b: number, c: number) => void;

/** Hands on every record of a file, in order. */
export function readRecords(file: string, onRecord: RecordHandler): void {
  const fd = openSync(file, 'r');
  const words = new Uint32Array(CHUNK_RECORDS * 4);
  try {
    for (;;) {
      const bytes = readSync(fd, words);
      if (bytes === 0) return;
      for (let at = 0; at < bytes / 4; at += 4) {
        const head = words[at] as number;
        onRecord(
          head >>> 28,
          head & 0xffff,
          (head >>> 16) & 0xfff,
          words[at + 1] as number,
          words[at + 2] as number,
          words[at + 3] as number,
        );
      }
    }
  } finally {
    closeSync(fd);
  }
}
