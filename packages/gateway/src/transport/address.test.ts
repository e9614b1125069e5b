/** Where a client comes from. */
import { describe, expect, it } from 'vitest';
import { createAddressReader, createForwardedForReader } from './address.js';

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
    expect(behind('10.0.0.1', 'not an address')).toBe('10.0.0.1');
    expect(behind('10.0.0.1', '203.0.113.9, unknown')).toBe('10.0.0.1');
    for (const wrong of ['10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::/129', 'proxy.internal', '10.0.0.0/8/8', '1/-1']) {
      expect(() => createAddressReader([wrong])).toThrow(/must be addresses/);
    }
  });

  it('is the IPv4 address behind the form that a dual-stack listener reports', () => {
    expect(address('0000:0000:0000:0000:0000:ffff:0a00:0001', '203.0.113.9')).toBe('203.0.113.9');
    expect(address('0000:0000:0000:0000:0000:FFFF:7f00:0001', '')).toBe('127.0.0.1');
    expect(address('2001:0db8:0000:0000:0000:0000:0000:0001', '')).toBe('2001:db8::1');
  });

  it('is the same however it is written, with the port of the connection or without', () => {
    for (const [written, read] of [
      ['198.51.100.1:4711', '198.51.100.1'],
      ['[2001:db8::1]:4711', '2001:db8::1'],
      ['[2001:DB8:0::1]', '2001:db8::1'],
      ['::ffff:198.51.100.1', '198.51.100.1'],
      ['[]:1', '10.0.0.1'],
      ['198.51.100.1:port', '10.0.0.1'],
    ] as const) {
      expect(address('10.0.0.1', `6.6.6.6, ${written}`), written).toBe(read);
    }
  });

  it('is read from every line of the header, not from the first, which may be the client’s own', () => {
    const lines = [
      ['host', 'a'],
      ['x-forwarded-for', '6.6.6.6'],
      ['x-forwarded-for', '198.51.100.1'],
    ] as const;
    const request = {
      forEach(each: (name: string, value: string) => void) {
        for (const [name, value] of lines) each(name, value);
      },
    };
    expect(address('10.0.0.1', createForwardedForReader(['10.0.0.1'])(request))).toBe('198.51.100.1');
    expect(createForwardedForReader([])(request)).toBe('');
  });
});
