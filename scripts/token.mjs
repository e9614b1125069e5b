// @ts-check
/**
 * The token that `npm start` prints: HS256, in plain Node, so that it needs nothing installed. And by command, for an
 * hour, with the secret on standard input, where no list of processes shows it:
 *
 *     node scripts/token.mjs '{"user_id":"somebody","aud":"belfry-operators"}' <operator-secret
 */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { refuse } from './command-line.mjs';

const COMMAND_SECONDS = 3600;
const STANDARD_INPUT = 0;
const USAGE = `usage: node scripts/token.mjs CLAIMS <SECRET
CLAIMS is a JSON object, as '{"user_id":"somebody","role":"HR"}'`;

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

/**
 * @param {string} text
 * @returns {Readonly<Record<string, unknown>> | undefined} undefined where it is no JSON object
 */
function readClaims(text) {
  try {
    const claims = JSON.parse(text);
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , given = '', ...more] = process.argv;
  const claims = readClaims(given);
  if (claims === undefined || more.length > 0) refuse(USAGE);
  const secret = readFileSync(STANDARD_INPUT, 'utf8').trim();
  if (secret === '') refuse(`There is no secret on standard input.\n${USAGE}`);
  process.stdout.write(`${signToken(claims, { secret, expiresInSeconds: COMMAND_SECONDS })}\n`);
}
