/** Tokens of a load test's users, minted in `setup()` with the cluster's own secret. */
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';

/** Gateways allow a user 50 connections by default. */
const CONNECTIONS_PER_USER = 25;
/** For what the run takes beyond its plan. */
const MARGIN_SECONDS = 900;

const encode = (value: unknown) => encoding.b64encode(JSON.stringify(value), 'rawurl');

function sign(claims: Readonly<Record<string, unknown>>, secret: string): string {
  const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${content}.${crypto.hmac('sha256', secret, content, 'base64rawurl')}`;
}

/** Enough users for `connections`; each may read every property, and lives as long as the run. */
export function mintTokens(connections: number, runMs: number, secret: string): string[] {
  const iat = Math.floor(Date.now() / 1000);
  const exp = iat + Math.ceil(runMs / 1000) + MARGIN_SECONDS;
  return Array.from({ length: Math.ceil(connections / CONNECTIONS_PER_USER) }, (_, n) =>
    sign({ user_id: `load-${n + 1}`, role: 'MANAGER', properties: '*', iat, exp }, secret),
  );
}
