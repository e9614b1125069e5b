/** Programs that are told their port get one that nobody else is given meanwhile. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort, freePorts } from './free-port.mjs';

it('names ports that the system gives to nobody by itself, each once', async () => {
  const ports = await freePorts(200);
  expect(new Set(ports).size).toBe(200);
  expect(Math.max(...ports)).toBeLessThan(firstOfTheSystem());
});

it('passes over a port that is taken', async () => {
  const taken = createServer();
  const before = await freePort();
  await new Promise((resolve) => {
    taken.listen(before + 1, '127.0.0.1', () => resolve(undefined));
  });
  expect(await freePort()).toBe(before + 2);
  await new Promise((resolve) => {
    taken.close(resolve);
  });
});

function firstOfTheSystem() {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    return 49_152;
  }
}
