/** Each port that cannot be had is said in one sentence that names the variable to change. */
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

it('names the variables of all ports that other processes have', async () => {
  const taken = await Promise.all([takePort(), takePort()]);
  const [publisher, dashboard] = taken.map((server) => server.address().port);
  const check = async (options) => {
    const ports = { ...(await freePorts()), publisher, dashboard };
    await checkPorts(ports, { host: '127.0.0.1', ...options });
  };
  const ofPublisher = `Port ${publisher} is taken by another process: set PUBLISHER_PORT to another one.`;
  const ofDashboard = `Port ${dashboard} is taken by another process: set DASHBOARD_PORT to another one.`;
  await expect(check({ dashboard: true })).rejects.toThrow(`${ofPublisher}\n${ofDashboard}`);
  await expect(check({ dashboard: false })).rejects.not.toThrow(ofDashboard);
  await Promise.all(taken.map((server) => new Promise((resolve) => server.close(resolve))));
  await expect(check({ dashboard: true })).resolves.toBeUndefined();
});

async function takePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function freePorts() {
  const names = Object.keys(readPorts({}));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
}
