import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { mintToken, TEST_SECRET } from './token.js';

describe('a minted token', () => {
  it('verifies with its secret and expires when it was told to', () => {
    const claims = jwt.verify(
      mintToken({ user_id: 'manager' }, { expiresInSeconds: 60 }),
      TEST_SECRET,
    ) as jwt.JwtPayload;
    expect(claims).toMatchObject({ user_id: 'manager', exp: (claims.iat ?? 0) + 60 });
  });

  it('can be every kind of wrong', () => {
    expect(() => jwt.verify(mintToken({}, { expiresInSeconds: -10 }), TEST_SECRET)).toThrow('jwt expired');
    expect(() => jwt.verify(mintToken({}, { secret: 'another' }), TEST_SECRET)).toThrow('invalid signature');
    expect(jwt.decode(mintToken({}, { algorithm: 'none' }), { complete: true })?.header.alg).toBe('none');
    expect(jwt.decode(mintToken({}, { expiresInSeconds: null }))).not.toHaveProperty('exp');
  });
});
