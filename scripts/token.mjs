// @ts-check
/** The token that `npm start` prints: HS256, in plain Node, so that it needs nothing installed. */
import { createHmac } from 'node:crypto';

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * @param {Readonly<Record<string, unknown>>} claims
 * @param {{ secret: string, expiresInSeconds: number, now?: number }} options `now`: seconds since 1970
 */
export function signToken(claims, { secret, expiresInSeconds, now = Math.floor(Date.now() / 1000) }) {
  const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ ...claims, iat: now, exp: now + expiresInSeconds })}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}
