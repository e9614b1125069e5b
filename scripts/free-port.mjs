// @ts-check
/**
 * Ports for programs that must be told theirs before they start. They lie outside of the range from which the system gives
 * ports to outgoing connections and to who listens on port 0, so nobody is given one between the look and the start.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Below it are the well-known ports and most defaults of programs. */
const FIRST = 20_000;
/** Linux gives 32,768 and up by itself, others 49,152 and up. */
const BELOW = 32_768;
const PAST = 65_536;
/** Fewer would be named again too soon. */
const LEAST = 1_000;

/**
 * @param {string | undefined} given the range from which Linux gives ports, as `ip_local_port_range` has it
 * @returns {{ first: number, count: number }} outside of it where there is room
 */
export function rangeBeside(given) {
  const [low = BELOW, high = PAST] = given?.trim().split(/\s+/).map(Number) ?? [];
  const below = Math.min(low, BELOW) - FIRST;
  if (below >= LEAST) return { first: FIRST, count: below };
  const above = PAST - (high + 1);
  // Where the system gives all of them, there is nothing better than to be quick.
  return above >= LEAST ? { first: high + 1, count: above } : { first: FIRST, count: BELOW - FIRST };
}

const { first, count } = rangeBeside(portsOfTheSystem());

/** Each process begins somewhere else and goes on from there, so that it never names a port twice in a row. */
let next = Math.floor(Math.random() * count);

/**
 * A port of the loopback address, from the range above, that nobody listens on.
 * @returns {Promise<number>}
 * @throws Error where all of them are taken
 */
export async function freePort() {
  for (let tries = 0; tries < count; tries++) {
    const port = first + (next++ % count);
    if (await isFree(port)) return port;
  }
  throw new Error(`No port between ${first} and ${first + count - 1} is free on 127.0.0.1.`);
}

/** @param {number} wanted how many different ones */
export async function freePorts(wanted) {
  return await Promise.all(Array.from({ length: wanted }, freePort));
}

/**
 * Whether nobody listens on a port of the loopback address.
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Undefined on systems that have no such file. */
export function portsOfTheSystem() {
  try {
    return readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  } catch {
    return undefined;
  }
}
