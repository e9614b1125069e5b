// @ts-check
/** The ports of `npm start`: read from the environment, checked before anything is started. */
import { createServer } from 'node:net';
import { SetupError } from './steps.mjs';

/**
 * @typedef {{ name: string, variable: string, step?: number, fallback: number }} PortDeclaration
 *   `step`: added to the variable's value, for a second process of the same kind
 */
const DECLARATIONS = /** @type {const} */ ([
  { name: 'gateway1', variable: 'WEBSOCKET_PORT', step: 0, fallback: 8765 },
  { name: 'gateway2', variable: 'WEBSOCKET_PORT', step: 1, fallback: 8765 },
  { name: 'gateway1Operators', variable: 'OPERATOR_PORT', step: 0, fallback: 9765 },
  { name: 'gateway2Operators', variable: 'OPERATOR_PORT', step: 1, fallback: 9765 },
  { name: 'publisher', variable: 'PUBLISHER_PORT', step: 0, fallback: 8770 },
  { name: 'publisherOperators', variable: 'PUBLISHER_OPERATOR_PORT', step: 0, fallback: 9770 },
  { name: 'dashboard', variable: 'DASHBOARD_PORT', step: 0, fallback: 8080 },
]);

/** @typedef {Record<(typeof DECLARATIONS)[number]['name'], number>} Ports */

/**
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Ports}
 * @throws SetupError that names the variable
 */
export function readPorts(environment) {
  /** @type {Map<number, string>} */
  const used = new Map();
  const entries = DECLARATIONS.map(({ name, variable, step, fallback }) => {
    const given = environment[variable];
    const port = (given ? Number(given) : fallback) + step;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new SetupError(`${variable}=${JSON.stringify(given)} must be a port, 1 to ${65_535 - step}.`);
    }
    const other = used.get(port);
    if (other) throw new SetupError(`Port ${port} is asked for twice: change ${variable} or ${other}.`);
    used.set(port, variable);
    return [name, port];
  });
  return Object.fromEntries(entries);
}

/**
 * Two gateways would share a taken port without a word (uWebSockets.js listens with SO_REUSEPORT): look before.
 * @param {Ports} ports
 * @param {{ host: string, dashboard: boolean }} options `dashboard`: whether its port is needed
 * @throws SetupError that names the variables of all ports that cannot be had
 */
export async function checkPorts(ports, { host, dashboard }) {
  const refusals = [];
  for (const { name, variable, step } of DECLARATIONS) {
    if (name === 'dashboard' && !dashboard) continue;
    const port = ports[name];
    const code = await listenError(host, port);
    if (!code) continue;
    const what = code === 'EADDRINUSE' ? 'is taken by another process' : `cannot be opened (${code})`;
    const next = step > 0 ? ` (the second gateway takes ${variable} + 1)` : '';
    refusals.push(`Port ${port} ${what}: set ${variable} to another one${next}.`);
  }
  if (refusals.length > 0) throw new SetupError(refusals.join('\n'));
}

/**
 * @param {string} host
 * @param {number} port
 * @returns {Promise<string | undefined>} the error's code, undefined if the port is free
 */
function listenError(host, port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
