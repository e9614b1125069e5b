/**
 * What a client reads of an event without parsing it: position, channel, the change's number. Millions of frames pass
 * here, so bytes are looked at where they lie and one object is filled again and again.
 */
import { changeNumber, GLOBAL } from '../names.js';

export interface Sight {
  epoch: number;
  offset: number;
  channel: number;
  /** See `changeNumber`. */
  change: number;
}

const AFTER_ID = '{"id":"'.length;
const BEFORE_CHANNEL = '","channel":"'.length;
const BEFORE_PROPERTY = 'property:1'.length;
const MESSAGE = Buffer.from('"message":"n');
const PROPERTY_ID = Buffer.from('"property_id":"1');
const LETTER = { g: 0x67, i: 0x69, p: 0x70 };

let at = 0;

function digits(bytes: Buffer): number {
  let number = 0;
  for (;;) {
    const digit = (bytes[at] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return number;
    number = number * 10 + digit;
    at += 1;
  }
}

/** True for frames that begin as events do; all others are the gateway's own messages. */
export const isEvent = (bytes: Buffer, start: number): boolean => bytes[start + 2] === LETTER.i;

/** Fills `sight` from the event in `bytes`; false when it is none of those that the load brings. */
export function readSight(bytes: Buffer, start: number, end: number, sight: Sight): boolean {
  at = start + AFTER_ID;
  sight.epoch = digits(bytes);
  at += 1;
  sight.offset = digits(bytes);
  at += BEFORE_CHANNEL;
  const kind = bytes[at];
  let property: number;
  if (kind === LETTER.p) {
    at += BEFORE_PROPERTY;
    property = digits(bytes);
    sight.channel = property;
  } else if (kind === LETTER.g) {
    sight.channel = GLOBAL;
    at = bytes.indexOf(PROPERTY_ID, at);
    if (at === -1 || at >= end) return false;
    at += PROPERTY_ID.length;
    property = digits(bytes);
  } else return false;
  at = bytes.indexOf(MESSAGE, at);
  if (at === -1 || at >= end) return false;
  at += MESSAGE.length;
  sight.change = changeNumber(property, digits(bytes));
  return true;
}
