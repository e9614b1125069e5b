/**
 * Reads an event's position from the first bytes of its frame, `{"id":"<epoch>-<offset>",…`: all that a gateway ever
 * looks at. Byte by byte, because this runs once for every event.
 */
import type { Position } from '@belfry/shared/protocol';

const START = Buffer.from('{"id":"');
const DASH = 0x2d;
const QUOTE = 0x22;
const ZERO = 0x30;
/** 16 digits stay below 2^53. */
const MAX_DIGITS = 16;

/** Undefined when the frame is no event of ours. Never throws. */
export function positionInFrame(frame: Buffer): Position | undefined {
  if (frame.length < START.length + 4) return undefined;
  for (let n = 0; n < START.length; n += 1) if (frame[n] !== START[n]) return undefined;
  const dash = endOfDigits(frame, START.length);
  if (dash === START.length || frame[dash] !== DASH) return undefined;
  const quote = endOfDigits(frame, dash + 1);
  if (quote === dash + 1 || frame[quote] !== QUOTE) return undefined;
  return { epoch: numberAt(frame, START.length, dash), offset: numberAt(frame, dash + 1, quote) };
}

function endOfDigits(frame: Buffer, from: number): number {
  const limit = Math.min(frame.length, from + MAX_DIGITS);
  let at = from;
  while (at < limit) {
    const digit = (frame[at] as number) - ZERO;
    if (digit < 0 || digit > 9) break;
    at += 1;
  }
  return at;
}

function numberAt(frame: Buffer, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at += 1) number = number * 10 + ((frame[at] as number) - ZERO);
  return number;
}
