/** Tokens: whatever is changed in one, it names the user it was signed for or nobody. */
import { createSecretKey } from 'node:crypto';
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import type { Verification } from '../../packages/shared/src/auth/verification.js';
import { createKeySetVerifier } from '../../packages/shared/src/auth/verify-key-set.js';
import { createSecretVerifier } from '../../packages/shared/src/auth/verify-secret.js';
import { must, type Target } from '../target.js';

const SECRET = 'a-secret-that-only-tests-know-0123456789abcdef';
const NOW = 1_763_700_000_000;
const WORDS = ['eyJhbGciOiJIUzI1NiJ9.', 'eyJhbGciOiJub25lIn0.', '.', '..', 'e30', '=', '-', '_'];
const CLAIMS = { user_id: 'landlord-7', role: 'LANDLORD', properties: ['1'], iss: 'issuer', exp: NOW / 1000 + 600 };

function check(verification: Verification): void {
  if (verification.ok) {
    must(verification.identity.userId === 'landlord-7', 'a token for somebody else was accepted');
    must(verification.identity.role === 'LANDLORD', 'a token of another role was accepted');
  } else {
    must(verification.message.length < 200, 'a refusal that quotes');
  }
}

export async function tokenTargets(): Promise<Target[]> {
  const good = jsonwebtoken.sign(CLAIMS, createSecretKey(Buffer.from(SECRET)), { algorithm: 'HS256' });
  const none = jsonwebtoken.sign(CLAIMS, '', { algorithm: 'none' });
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const signed = await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(privateKey);
  const keys = createLocalJWKSet({ keys: [jwk] });
  const bySecret = createSecretVerifier({ secrets: () => [SECRET, `${SECRET}-previous`], now: () => NOW });
  const failures: unknown[] = [];
  const byKeySet = createKeySetVerifier({
    keySet: { keys: async () => keys, refreshed: async () => keys },
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    issuer: 'issuer',
    now: () => NOW,
    onFailure: (error) => void failures.push(error),
  });
  return [
    {
      name: 'tokens-secret',
      seeds: [good, none, `${good}.`, good.slice(0, -1)],
      words: WORDS,
      run: (input) => check(bySecret(input.toString('utf8'))),
    },
    {
      name: 'tokens-key-set',
      seeds: [signed, good, none],
      words: WORDS,
      async run(input) {
        check(await byKeySet(input.toString('utf8')));
        must(failures.length === 0, `the library threw something of its own: ${String(failures.pop())}`);
      },
    },
  ];
}
