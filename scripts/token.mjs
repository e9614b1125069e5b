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

const COMMAND_SECONDS = 3600;
const STANDARD_INPUT = 0;

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

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const secret = readFileSync(STANDARD_INPUT, 'utf8').trim();
  if (secret === '' || process.argv.length !== 3) {
    process.stderr.write('usage: node scripts/token.mjs CLAIMS <SECRET\n');
    process.exit(2);
  }
  process.stdout.write(
    `${signToken(JSON.parse(process.argv[2] ?? ''), { secret, expiresInSeconds: COMMAND_SECONDS })}\n`,
  );
}
