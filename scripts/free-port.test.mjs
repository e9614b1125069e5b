/** Programs that are told their port get one that nobody else is given meanwhile. */
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort, freePorts, portsOfTheSystem, rangeBeside } from './free-port.mjs';

it('names ports of the range, each once', async () => {
  const { first, count } = rangeBeside(portsOfTheSystem());
  const ports = await freePorts(200);
  expect(new Set(ports).size).toBe(200);
  for (const port of ports) expect(port >= first && port < first + count).toBe(true);
});

it.each([
  ['32768\t60999\n', 20_000, 32_767],
  ['49152\t65535\n', 20_000, 32_767],
  ['25000\t60999\n', 20_000, 24_999],
  ['1024\t60999\n', 61_000, 65_535],
  ['20500\t60999\n', 61_000, 65_535],
  // All of them: then it is as good as any.
  ['1024\t65535\n', 20_000, 32_767],
  [undefined, 20_000, 32_767],
])('where the system gives %j by itself, its range is beside that', (given, from, to) => {
  const { first, count } = rangeBeside(given);
  expect([first, first + count - 1]).toEqual([from, to]);
});

it('passes over ports that are taken', async () => {
  const before = await freePort();
  const { first, count } = rangeBeside(portsOfTheSystem());
  const nextOnes = [1, 2, 3].map((step) => first + ((before - first + step) % count));
  const taken = (await Promise.all(nextOnes.map(listen))).filter((server) => server !== undefined);
  // Who else has one of them meanwhile has taken it as well.
  expect(nextOnes).not.toContain(await freePort());
  for (const server of taken) await new Promise((resolve) => server.close(resolve));
});

/** @param {number} port @returns {Promise<import('node:net').Server | undefined>} undefined where somebody else has it */
function listen(port) {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
