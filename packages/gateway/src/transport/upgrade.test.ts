import { describe, expect, it } from 'vitest';
import { createAddressReader, createCookieReader, createOriginCheck, credentialOf } from './upgrade.js';

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

describe('the address of a client', () => {
  const address = createAddressReader(['10.0.0.1', '10.0.0.2']);

  it('is the peer’s, whatever the client claims', () => {
    expect(address('203.0.113.9', '198.51.100.1')).toBe('203.0.113.9');
    expect(createAddressReader([])('10.0.0.1', '198.51.100.1')).toBe('10.0.0.1');
  });

  it('is what the nearest trusted proxy saw, not what was written further left', () => {
    expect(address('10.0.0.1', '1.2.3.4, 203.0.113.9')).toBe('203.0.113.9');
    expect(address('10.0.0.1', '1.2.3.4, 203.0.113.9, 10.0.0.2')).toBe('203.0.113.9');
    expect(address('10.0.0.1', '')).toBe('10.0.0.1');
    expect(address('10.0.0.1', ' , 10.0.0.2')).toBe('10.0.0.1');
  });

  it('may come through any proxy of a network that is trusted', () => {
    const behind = createAddressReader(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
    expect(behind('10.200.3.4', '203.0.113.9, 10.1.1.1')).toBe('203.0.113.9');
    expect(behind('2001:0db8:0000:0000:0000:0000:0000:0001', '203.0.113.9')).toBe('203.0.113.9');
    expect(behind('0000:0000:0000:0000:0000:ffff:0a00:0001', '203.0.113.9')).toBe('203.0.113.9');
    expect(behind('192.0.2.7', '203.0.113.9')).toBe('203.0.113.9');
    expect(behind('192.0.2.8', '203.0.113.9')).toBe('192.0.2.8');
    expect(behind('11.0.0.1', '203.0.113.9')).toBe('11.0.0.1');
    expect(behind('10.0.0.1', 'not an address')).toBe('not an address');
    for (const wrong of ['10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::/129', 'proxy.internal', '10.0.0.0/8/8', '1/-1']) {
      expect(() => createAddressReader([wrong])).toThrow(/must be addresses/);
    }
  });

  it('is the IPv4 address behind the form that a dual-stack listener reports', () => {
    expect(address('0000:0000:0000:0000:0000:ffff:0a00:0001', '203.0.113.9')).toBe('203.0.113.9');
    expect(address('0000:0000:0000:0000:0000:FFFF:7f00:0001', '')).toBe('127.0.0.1');
    expect(address('2001:0db8:0000:0000:0000:0000:0000:0001', '')).toBe('2001:0db8:0000:0000:0000:0000:0000:0001');
  });
});
