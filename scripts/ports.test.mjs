/** A port that cannot be had is said in one sentence that names the variable to change. */
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort } from './free-port.mjs';
import { checkPorts, readPorts } from './ports.mjs';

it('gives the second gateway the next port', () => {
  const ports = readPorts({ WEBSOCKET_PORT: '1000', OPERATOR_PORT: '2000' });
  expect(ports).toMatchObject({ gateway1: 1000, gateway2: 1001, gateway1Operators: 2000, gateway2Operators: 2001 });
  expect(readPorts({})).toMatchObject({ gateway1: 8765, gateway2: 8766, publisher: 8770, dashboard: 8080 });
});

it.each([
  [{ WEBSOCKET_PORT: 'abc' }, 'WEBSOCKET_PORT="abc" must be a port, 1 to 65535'],
  [{ OPERATOR_PORT: '65535' }, 'OPERATOR_PORT="65535" must be a port, 1 to 65534'],
  [{ PUBLISHER_PORT: '8766' }, 'Port 8766 is asked for twice: change PUBLISHER_PORT or WEBSOCKET_PORT'],
])('refuses %o', (environment, message) => {
  expect(() => readPorts(environment)).toThrow(message);
});

it('names the variable of a port that another process has', async () => {
  const taken = createServer();
  const port = await new Promise((resolve) => {
    taken.listen(0, '127.0.0.1', () => resolve(taken.address().port));
  });
  const check = async (options) => {
    const ports = { ...(await freePorts()), dashboard: port };
    await checkPorts(ports, { host: '127.0.0.1', ...options });
  };
  await expect(check({ dashboard: true })).rejects.toThrow(
    `Port ${port} is taken by another process: set DASHBOARD_PORT`,
  );
  await expect(check({ dashboard: false })).resolves.toBeUndefined();
  await new Promise((resolve) => {
    taken.close(resolve);
  });
});

async function freePorts() {
  const names = Object.keys(readPorts({}));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
}
