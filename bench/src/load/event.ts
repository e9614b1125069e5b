/** The event that is published: 300 bytes of JSON that say when they were sent. */
import { channelName, propertyOfChannel } from './plan.js';

const BYTES = 300;
const SENT = Buffer.from('"sent":');
const ZERO = 0x30;

/** On the machine's steady clock, which all processes share. */
const nowMicroseconds = (): number => Number(process.hrtime.bigint() / 1000n);

/** A body without a position, as publishers append it. */
export function eventBody(channel: number): string {
  const head =
    `{"type":"VIOLATION_UPDATE","channel":"${channelName(channel)}","timestamp":${(Date.now() / 1000).toFixed(3)},` +
    `"sent":${nowMicroseconds()},"property_id":"${propertyOfChannel(channel)}","violation_type":"HPD","count":3,` +
    '"new_violations":1,"severity":"high","message":"';
  return `${head}${'.'.repeat(BYTES - head.length - 2)}"}`;
}

/** When an event was sent; undefined where that part of it has not come yet. */
export function readSent(payload: Buffer): number | undefined {
  const found = payload.indexOf(SENT);
  if (found === -1) return undefined;
  let sent = 0;
  for (let at = found + SENT.length; at < payload.length; at += 1) {
    const digit = (payload[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return sent;
    sent = sent * 10 + digit;
  }
  return undefined;
}
