/** Tokens of an issuer with public keys, against a real key set over HTTP. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../service/index.js';
import { createKeySet } from './key-set.js';
import { createKeySetVerifier, KEY_SET_ALGORITHMS } from './verify-key-set.js';

let server: Server;
let published: JWK[];
let answers: number;
let failing: boolean;
let now: number;
const clock: Clock = { now: () => now, after: () => () => undefined, every: () => () => undefined };

beforeEach(async () => {
  published = [];
  answers = 0;
  failing = false;
  now = Date.now();
  server = createServer((_, response) => {
    answers += 1;
    if (failing) response.writeHead(503).end();
    else response.end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
const verifier = () =>
  createKeySetVerifier({
    keySet: createKeySet({ url: url(), clock, logger: pino({ level: 'silent' }), fetch }),
    algorithms: KEY_SET_ALGORITHMS,
    issuer: 'issuer',
    now: clock.now,
    onFailure: () => undefined,
  });

async function keyPair(algorithm: string, kid: string): Promise<CryptoKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  published.push({ ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' });
  return privateKey;
}

const sign = (
  key: CryptoKey | Uint8Array,
  alg: string,
  kid: string,
  claims: Record<string, unknown> = {},
  typ?: string,
) =>
  new SignJWT({ user_id: 'landlord-7', iss: 'issuer', exp: Math.floor(now / 1000) + 600, ...claims })
    .setProtectedHeader({ alg, kid, ...(typ ? { typ } : {}) })
    .sign(key);

describe('a token signed by the issuer', () => {
  it.each(KEY_SET_ALGORITHMS)('is accepted with %s', async (algorithm) => {
    const key = await keyPair(algorithm, 'k1');
    expect(await verifier()(await sign(key, algorithm, 'k1'))).toMatchObject({
      ok: true,
      identity: { userId: 'landlord-7' },
    });
  });

  it('is accepted with a key that was published after the last fetch, and only one fetch is made for many', async () => {
    const verify = verifier();
    await verify(await sign(await keyPair('ES256', 'k1'), 'ES256', 'k1'));
    const second = await sign(await keyPair('ES256', 'k2'), 'ES256', 'k2');
    now += 31_000;
    const results = await Promise.all(Array.from({ length: 20 }, () => verify(second)));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(answers).toBe(2);
  });

  it('is accepted while the issuer does not answer, as long as its key is known', async () => {
    const verify = verifier();
    const key = await keyPair('RS256', 'k1');
    await verify(await sign(key, 'RS256', 'k1'));
    failing = true;
    now += 3_600_000;
    expect(await verify(await sign(key, 'RS256', 'k1'))).toMatchObject({ ok: true });
  });
});

describe('a token is refused', () => {
  it('when made-up key ids are sent in a flood, without a fetch for each', async () => {
    const verify = verifier();
    const key = await keyPair('ES256', 'k1');
    await verify(await sign(key, 'ES256', 'k1'));
    for (let n = 0; n < 20; n += 1) {
      expect(await verify(await sign(key, 'ES256', `made-up-${n}`))).toMatchObject({
        ok: false,
        code: 'token_invalid',
      });
    }
    expect(answers).toBe(1);
  });

  it('when it is signed with the public key as a shared secret', async () => {
    await keyPair('RS256', 'k1');
    const secret = new TextEncoder().encode(JSON.stringify(published[0]));
    expect(await verifier()(await sign(secret, 'HS256', 'k1'))).toMatchObject({ ok: false });
  });

  it('when the published set itself holds a shared secret', async () => {
    const secret = new Uint8Array(32).fill(7);
    published.push({ kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'k1', alg: 'HS256' });
    expect(await verifier()(await sign(secret, 'HS256', 'k1'))).toMatchObject({ ok: false });
  });

  it('when it has expired, comes from another issuer, or is signed by somebody else', async () => {
    const key = await keyPair('ES256', 'k1');
    const verify = verifier();
    expect(await verify(await sign(key, 'ES256', 'k1', { exp: Math.floor(now / 1000) - 60 }))).toMatchObject({
      code: 'token_expired',
    });
    expect(await verify(await sign(key, 'ES256', 'k1', { iss: 'other' }))).toMatchObject({
      ok: false,
      message: expect.stringMatching(/issuer/),
    });
    const { privateKey } = await generateKeyPair('ES256');
    expect(await verify(await sign(privateKey, 'ES256', 'k1'))).toMatchObject({
      ok: false,
      message: expect.stringMatching(/signature/),
    });
  });

  it('when it is signed for something else than access, as a notice of a logout', async () => {
    const key = await keyPair('ES256', 'k1');
    expect(await verifier()(await sign(key, 'ES256', 'k1', {}, 'at+jwt'))).toMatchObject({ ok: true });
    expect(await verifier()(await sign(key, 'ES256', 'k1', {}, 'logout+jwt'))).toMatchObject({ code: 'token_invalid' });
  });

  it('when no key was ever fetched', async () => {
    failing = true;
    const { privateKey } = await generateKeyPair('ES256');
    expect(await verifier()(await sign(privateKey, 'ES256', 'k1'))).toMatchObject({
      ok: false,
      code: 'unavailable',
      message: expect.stringMatching(/at the moment/),
    });
  });
});
