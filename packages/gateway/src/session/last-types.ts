/**
 * The types of a client's last messages, for operators who look into a connection. One small number a session instead of a
 * list: ten thousand sessions have ten thousand of these, and every message makes a new one.
 */
import { CLIENT_MESSAGES } from '@belfry/shared/protocol';
import type { BadFrame, ClientFrame } from './client-frame.js';

/** How many are remembered. */
const COUNT = 8;

/** For metrics too: what cannot be read is one type. */
export const typeOf = (frame: ClientFrame | BadFrame): string => ('error' in frame ? 'invalid' : frame.type);

/** A digit's value is a place in this list; 0 says that there was no message. */
const TYPES = [undefined, 'invalid', ...Object.keys(CLIENT_MESSAGES)] as const;
const DIGITS: ReadonlyMap<string | undefined, number> = new Map(TYPES.map((type, digit) => [type, digit]));
const BASE = TYPES.length;
/** Digits in front of the last: below 2^31, so that V8 keeps the number in the session itself. */
const REMEMBERED = BASE ** (COUNT - 1);

export const NO_TYPES = 0;

export const withType = (types: number, type: string): number => (types % REMEMBERED) * BASE + (DIGITS.get(type) ?? 0);

/** Oldest first. */
export function readTypes(types: number): string[] {
  const found: string[] = [];
  for (let rest = types; rest > 0; rest = Math.floor(rest / BASE)) {
    const type = TYPES[rest % BASE];
    if (type !== undefined) found.unshift(type);
  }
  return found;
}
