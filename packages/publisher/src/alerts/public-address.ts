/**
 * Which addresses users may have something sent to. A name is resolved once, all its addresses are checked, and those are
 * connected to: were it resolved again for the connection, its owner could answer with another one then.
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Undeliverable } from './delivery.js';

/** Private, loopback, link-local, multicast and reserved nets. */
const PRIVATE_V4 = new BlockList();
/** Likewise, and those that carry IPv4 addresses inside. A list of its own: one that holds `::ffff:0:0/96` holds all IPv4. */
const PRIVATE_V6 = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE_V4.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  PRIVATE_V6.addSubnet(net, bits, 'ipv6');
}

export const isPrivate = (address: string): boolean =>
  isIP(address) === 6 ? PRIVATE_V6.check(address, 'ipv6') : PRIVATE_V4.check(address, 'ipv4');

const refused = (host: string): Undeliverable =>
  new Undeliverable('not_allowed', `${host} is a private address; set ALLOW_PRIVATE_WEBHOOKS=true to allow that`);

/** @throws Undeliverable where a URL's host is itself an address, and a private one: such are not looked up */
export function refusePrivate(hostname: string): void {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && isPrivate(host)) throw refused(host);
}

/** Resolves names as `lookup` does, and refuses those of which any address is private. */
export function publicAddressesOnly(lookup: LookupFunction = systemLookup): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '');
      const addresses = found as unknown as readonly LookupAddress[];
      const [first] = addresses;
      if (!first || addresses.some(({ address }) => isPrivate(address))) return done(refused(host), '');
      if (options.all) return done(null, [...addresses]);
      done(null, first.address, first.family);
    });
  };
}
