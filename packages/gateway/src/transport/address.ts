/**
 * Where a client comes from: the TCP peer, or what a trusted proxy says of it. A header counts from trusted proxies only,
 * and of it only what they wrote themselves; a PROXY header, which uWebSockets.js takes from anybody, never does.
 */
import { BlockList, isIP, SocketAddress } from 'node:net';

export type AddressOf = (peer: string, forwardedFor: string) => string;

/** The part of a request that is read here. */
interface Headers {
  forEach(each: (name: string, value: string) => void): void;
}

/**
 * Reads all of X-Forwarded-For, in its order. Some proxies add a line of their own behind the one that the client sent, and
 * of several lines uWebSockets.js gives the first: what the client says of itself.
 * @param trustedProxies where there are none the header does not matter, and is not looked for
 */
export function createForwardedForReader(trustedProxies: readonly string[]): (request: Headers) => string {
  if (trustedProxies.length === 0) return () => '';
  return (request) => {
    const lines: string[] = [];
    request.forEach((name, value) => {
      if (name === 'x-forwarded-for') lines.push(value);
    });
    return lines.join(',');
  };
}

/**
 * The client's address: the TCP peer, or, where that is a trusted proxy, the right-most address of X-Forwarded-For that
 * is not one. What stands further left was written by the client itself. Behind a hop that is no address nothing is
 * believed: then it is the peer's.
 * @param trustedProxies addresses, and networks as 10.0.0.0/8
 */
export function createAddressReader(trustedProxies: readonly string[]): AddressOf {
  const proxies = new BlockList();
  for (const proxy of trustedProxies) {
    const { address, bits, family } = readNetwork(proxy);
    proxies.addSubnet(address, bits, family);
  }
  const isTrusted = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && proxies.check(address, version === 4 ? 'ipv4' : 'ipv6');
  };
  return (peer, forwarded) => {
    const direct = canonical(peer);
    if (trustedProxies.length === 0 || !isTrusted(direct)) return direct;
    const hops = forwarded.split(',').filter((hop) => hop.trim() !== '');
    for (const hop of hops.reverse()) {
      const address = addressIn(hop.trim());
      if (address === undefined) return direct;
      if (!isTrusted(address)) return address;
    }
    return direct;
  };
}

/** @throws Error where it is neither an address nor a network */
export function readNetwork(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', given, ...rest] = text.split('/');
  const version = isIP(address);
  const most = version === 4 ? 32 : 128;
  const bits = given === undefined ? most : Number(given);
  if (version === 0 || rest.length > 0 || !/^\d{1,3}$/.test(given ?? '0') || bits > most) {
    throw new Error(`must be addresses, or networks as 10.0.0.0/8, not ${JSON.stringify(text)}`);
  }
  return { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** Some proxies name the port too, which is another one for each connection: `198.51.100.1:4711`, `[2001:db8::1]:4711`. */
function addressIn(hop: string): string | undefined {
  const address = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(hop)?.[1] ?? hop;
  return isIP(address) === 0 ? undefined : canonical(address);
}

const MAPPED_IPV4 = /^(?:0000:){5}ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/i;

/** One way to write each address: uWebSockets.js writes IPv6 at length, and IPv4 as 0000:…:ffff:7f00:0001 on both families. */
function canonical(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = MAPPED_IPV4.exec(address);
  if (mapped) return mapped.slice(1).map(fromHex).join('.');
  const short = new SocketAddress({ address, family: 'ipv6' }).address;
  const inner = short.startsWith('::ffff:') ? short.slice('::ffff:'.length) : '';
  return isIP(inner) === 4 ? inner : short;
}

const fromHex = (byte: string): number => Number.parseInt(byte, 16);
