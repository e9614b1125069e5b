/** Forged, stale and odd tokens against the verifier for secrets. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mintToken, TEST_SECRET } from '@belfry/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSecretVerifier } from './verify-secret.js';

const PREVIOUS = 'the-secret-before-the-current-one-0123456789';
const NOW = Math.floor(Date.now() / 1000);
const verifier = (options: { issuer?: string; audience?: string; secrets?: string[]; now?: number } = {}) =>
  createSecretVerifier({
    secrets: () => options.secrets ?? [TEST_SECRET, PREVIOUS],
    issuer: options.issuer,
    audience: options.audience,
    now: () => (options.now ?? NOW) * 1000,
  });
const CLAIMS = { user_id: 'landlord-7', role: 'landlord', properties: ['1012650001', 2] };

const base64 = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
/** A token with any header and payload, signed with `secret` by hand. */
function handmade(header: unknown, payload: unknown, secret = TEST_SECRET): string {
  const signed = `${base64(header)}.${base64(payload)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
/** A token, good but for claims that JavaScript has no way to write. */
const written = (claims: string) => handmade({ alg: 'HS256' }, `{"sub":"a","exp":${NOW + 600},${claims}}`);
const GOOD = { ...CLAIMS, exp: NOW + 600 };

describe('a good token', () => {
  it('says who somebody is, with the current secret and the one before', () => {
    for (const secret of [TEST_SECRET, PREVIOUS]) {
      expect(verifier()(mintToken(CLAIMS, { secret }))).toMatchObject({
        ok: true,
        identity: { userId: 'landlord-7', role: 'LANDLORD', properties: new Set(['1012650001', '2']) },
      });
    }
    expect(verifier()(mintToken({ sub: 7, exp: NOW + 600 }))).toMatchObject({ ok: true, identity: { userId: '7' } });
    expect(verifier()(mintToken({ sub: 'x', properties: '*' }))).toMatchObject({ identity: { properties: 'all' } });
  });

  it('may name ids as numbers, as long as JSON reads them as they are', () => {
    const largest = Number.MAX_SAFE_INTEGER;
    expect(verifier()(mintToken({ user_id: largest, properties: [largest] }))).toMatchObject({
      identity: { userId: '9007199254740991', properties: new Set(['9007199254740991']) },
    });
    expect(verifier()(mintToken({ sub: '1234567890123456789' }))).toMatchObject({
      identity: { userId: '1234567890123456789' },
    });
  });

  it.each([undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt'])('may say that it is of the type %s', (typ) => {
    expect(verifier()(handmade({ alg: 'HS256', typ }, GOOD))).toMatchObject({ ok: true });
  });

  it('may come from a clock that is a few seconds off', () => {
    expect(verifier({ now: NOW + 604 })(mintToken(GOOD))).toMatchObject({ ok: true });
    expect(verifier({ now: NOW + 606 })(mintToken(GOOD))).toMatchObject({ ok: false, code: 'token_expired' });
    expect(verifier()(mintToken({ ...GOOD, nbf: NOW + 4 }))).toMatchObject({ ok: true });
  });

  it('of the issuer and for the audience that are asked for', () => {
    const verify = verifier({ issuer: 'city', audience: 'belfry' });
    expect(verify(mintToken({ ...GOOD, iss: 'city', aud: ['other', 'belfry'] }))).toMatchObject({ ok: true });
  });
});

const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

describe('a token is refused', () => {
  const forged: [string, string][] = [
    ['without a signature (alg none)', mintToken(GOOD, { algorithm: 'none' })],
    ['with alg none spelt otherwise', `${base64({ alg: 'nOnE', typ: 'JWT' })}.${base64(GOOD)}.`],
    ['with the signature cut off', mintToken(GOOD).replace(/\.[^.]*$/, '.')],
    ['signed with another secret', mintToken(GOOD, { secret: 'somebody-elses-secret-0123456789abcdef' })],
    ['signed with a wrong algorithm, HS512', mintToken(GOOD, { algorithm: 'HS512' })],
    ['signed with a private key, RS256', mintToken(GOOD, { algorithm: 'RS256', secret: rsa.privateKey })],
    ['signed with a public key as if it were the secret', handmade({ alg: 'HS256' }, GOOD, rsa.publicKey)],
    ['that brings its own key (jwk)', handmade({ alg: 'HS256', jwk: { kty: 'oct', k: base64('mine') } }, GOOD, 'mine')],
    ['that names where to fetch its key (jku)', handmade({ alg: 'HS256', jku: 'https://evil.example' }, GOOD, 'evil')],
    ['that points at a file as its key (kid)', handmade({ alg: 'HS256', kid: '../../dev/null' }, GOOD, ' ')],
    ['signed rightly, as if with another algorithm', handmade({ alg: 'HS512' }, GOOD)],
    ['that has to be understood in ways nobody knows (crit)', handmade({ alg: 'HS256', crit: ['exp'] }, GOOD)],
    ['that is a notice of a logout (typ)', handmade({ alg: 'HS256', typ: 'logout+jwt' }, GOOD)],
    ['whose type is no text', handmade({ alg: 'HS256', typ: ['JWT'] }, GOOD)],
    ['whose payload was changed', mintToken(GOOD).replace(/\.[^.]*\./, `.${base64({ ...GOOD, role: 'ADMIN' })}.`)],
    ['whose header was changed', mintToken(GOOD).replace(/^[^.]*/, base64({ alg: 'HS256', typ: 'jwt' }))],
    ['not valid yet', mintToken({ ...GOOD, nbf: NOW + 60 })],
    ['without exp', mintToken(CLAIMS, { expiresInSeconds: null })],
    ['with an exp that is text', handmade({ alg: 'HS256' }, { ...GOOD, exp: '9999999999' })],
    ['without a user', mintToken({ role: 'ADMIN' })],
    ['with a user that is a pattern', mintToken({ user_id: '*' })],
    ['with a user from another alphabet', mintToken({ user_id: 'аdmin' })],
    ['with a role that is no name', mintToken({ ...GOOD, role: 'ADMIN:*' })],
    ['with properties that are no list', mintToken({ ...GOOD, properties: '1,2' })],
    ['with a property that is a pattern', mintToken({ ...GOOD, properties: ['*'] })],
    ['with a user that is a number beyond 2^53', written('"user_id":1234567890123456789')],
    ['with a subject that is a number beyond 2^53', written('"sub":9007199254740992')],
    ['with a user that is a fraction', written('"user_id":1e-7')],
    ['with a user that is infinite', written('"user_id":1e999')],
    ['with a property that is a number beyond 2^53', written('"properties":["1",9007199254740993]')],
    ['with a property that is infinite', written('"properties":[1e999]')],
    ['that never expires', written('"exp":1e999')],
    ['that was issued after all time', written('"iat":1e999')],
    ['with a payload that is no object', handmade({ alg: 'HS256' }, '"text"')],
    ['with a payload that is a list', handmade({ alg: 'HS256' }, [GOOD])],
    ['that is longer than any good one', mintToken({ ...GOOD, more: 'x'.repeat(12_000) })],
    ['that is empty', ''],
    ['that is dots', '..'],
    ['that is unicode', '😀.\u0000.\ud800'],
  ];
  it.each(forged)('%s', (_, token) => {
    expect(verifier()(token)).toMatchObject({ ok: false, code: 'token_invalid' });
  });

  it.each(['"user_id":1234567890123456780', '"user_id":1e999', '"properties":[9007199254740993]'])(
    'for %s with the advice to write it as a string',
    (claim) => {
      expect(verifier()(written(claim))).toMatchObject({
        ok: false,
        message: expect.stringContaining('must be strings'),
      });
    },
  );

  it('of another issuer, or for another audience, or of and for nobody', () => {
    for (const claims of [{}, { iss: 'other', aud: 'belfry' }, { iss: 'city', aud: 'other' }, { iss: 'city' }]) {
      const verify = verifier({ issuer: 'city', audience: 'belfry' });
      expect(verify(mintToken({ ...GOOD, ...claims }))).toMatchObject({ ok: false, code: 'token_invalid' });
    }
  });

  it('that has expired, and says that a new one is needed, only where the signature is right', () => {
    expect(verifier()(mintToken(CLAIMS, { expiresInSeconds: -60 }))).toMatchObject({ code: 'token_expired' });
    const forgedToo = mintToken(CLAIMS, { expiresInSeconds: -60, secret: 'somebody-elses-secret-0123456789abcdef' });
    expect(verifier()(forgedToo)).toMatchObject({ code: 'token_invalid' });
  });

  it('by a verifier that has no secret', () => {
    expect(verifier({ secrets: [] })(mintToken(GOOD))).toMatchObject({ ok: false, code: 'token_invalid' });
  });

  it('with a kid, jku or x5u that is right in all else is judged as if they were not there', () => {
    const header = { alg: 'HS256', kid: 'any', jku: 'https://evil.example/keys', x5u: 'https://evil.example/cert' };
    expect(verifier()(handmade(header, GOOD))).toMatchObject({ ok: true });
  });

  it('with a message that quotes nothing of the token', () => {
    for (const [, token] of forged) {
      const result = verifier()(token);
      if (result.ok) throw new Error('accepted');
      expect(result.message).not.toContain('landlord-7');
      expect(result.message.length).toBeLessThan(120);
    }
  });
});

it('whatever comes as a token, verifying never throws and never accepts', () => {
  const part = fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.json().map(base64));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => verifier()(parts.join('.')).ok === false),
    { numRuns: 500 },
  );
});
