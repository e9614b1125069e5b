import { describe, expect, it } from 'vitest';
import { createCookieReader, createOriginCheck, credentialOf } from './upgrade.js';

const REQUEST = { origin: '', authorization: '', protocols: '', tokenInQuery: undefined, cookies: '' };
const noCookie = () => undefined;

describe('the credential of an upgrade', () => {
  it.each([
    [{ authorization: 'Bearer header' }, 'header'],
    [{ authorization: 'bearer   header' }, 'header'],
    [{ authorization: 'Basic dXNlcg==' }, undefined],
    [{ authorization: 'Bearer' }, undefined],
    [{ authorization: 'Bearer a b' }, undefined],
    [{ protocols: 'belfry.v1, bearer.offered' }, 'offered'],
    [{ tokenInQuery: 'query' }, 'query'],
    [{ tokenInQuery: '' }, undefined],
    [{ authorization: 'Bearer header', protocols: 'bearer.offered', tokenInQuery: 'query' }, 'header'],
    [{ protocols: 'bearer.offered', tokenInQuery: 'query' }, 'offered'],
    [{}, undefined],
  ])('of %j is %s', (parts, token) => {
    expect(credentialOf({ ...REQUEST, ...parts }, noCookie).token).toBe(token);
  });

  it('is never echoed: only our own subprotocol is answered', () => {
    expect(credentialOf({ ...REQUEST, protocols: 'bearer.secret' }, noCookie).protocol).toBeUndefined();
    expect(credentialOf({ ...REQUEST, protocols: 'bearer.secret, belfry.v1' }, noCookie).protocol).toBe('belfry.v1');
    expect(credentialOf({ ...REQUEST, protocols: 'graphql-ws' }, noCookie).protocol).toBeUndefined();
  });

  it('comes from a cookie only where the page’s origin is named', () => {
    const cookie = createCookieReader('belfry', ['https://a.example', '*']);
    expect(cookie('x=1; belfry=token; y=2', 'https://a.example')).toBe('token');
    expect(cookie('belfry=token', 'https://b.example')).toBeUndefined();
    expect(cookie('belfry=token', '')).toBeUndefined();
    expect(cookie('belfry=token', '', 'same-origin')).toBe('token');
    for (const site of ['same-site', 'cross-site', 'none', '']) {
      expect(cookie('belfry=token', '', site)).toBeUndefined();
      expect(cookie('belfry=token', 'https://b.example', 'same-origin')).toBeUndefined();
    }
    expect(cookie('xbelfry=token', 'https://a.example')).toBeUndefined();
    expect(cookie('belfry=', 'https://a.example')).toBeUndefined();
    expect(createCookieReader('', ['https://a.example'])('=token', 'https://a.example')).toBeUndefined();
  });
});

describe('the origin of an upgrade', () => {
  it('has to be one of those allowed, to the letter', () => {
    const allowed = createOriginCheck(['https://dashboard.example']);
    expect(allowed('https://dashboard.example')).toBe(true);
    for (const foreign of [
      'https://dashboard.example.evil.example',
      'https://evil.example/https://dashboard.example',
      'http://dashboard.example',
      'https://dashboard.example:8443',
      'https://DASHBOARD.example',
      'null',
    ]) {
      expect(allowed(foreign)).toBe(false);
    }
  });

  it('may be missing: no browser leaves it out', () => {
    expect(createOriginCheck([])('')).toBe(true);
    expect(createOriginCheck([])('https://any.example')).toBe(false);
    expect(createOriginCheck(['*'])('https://any.example')).toBe(true);
  });
});
