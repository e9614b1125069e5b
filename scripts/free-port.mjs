// @ts-check
/**
 * Ports for programs that must be told theirs before they start. They lie below the range from which systems give ports
 * to outgoing connections and to who listens on port 0, so nobody is given one between the look and the start.
 */
import { createServer } from 'node:net';

/** Below it are the well-known ports and most defaults of programs. */
const FIRST = 20_000;
/** Linux gives 32,768 and up by itself (`net.ipv4.ip_local_port_range`), others 49,152 and up. */
const COUNT = 32_768 - FIRST;

/** Each process begins somewhere else and goes on from there, so that it never names a port twice in a row. */
let next = Math.floor(Math.random() * COUNT);

/**
 * A port of the loopback address, between 20,000 and 32,767, that nobody listens on.
 * @returns {Promise<number>}
 * @throws Error where all of them are taken
 */
export async function freePort() {
  for (let tries = 0; tries < COUNT; tries++) {
    const port = FIRST + (next++ % COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`No port between ${FIRST} and ${FIRST + COUNT - 1} is free on 127.0.0.1.`);
}

/** @param {number} count of different ports */
export async function freePorts(count) {
  return await Promise.all(Array.from({ length: count }, freePort));
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
