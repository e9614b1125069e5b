/**
 * What a connection costs: `npm run bench:connections -- --connections 10000 --channels 10`. Real clients against one
 * gateway, with users that are all different and with one user, and against uWebSockets.js alone, in the same run.
 */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startGateway, startProcess, startRedis, TEST_SECRET, type TestProcess } from '@belfry/testkit';
import { type Load, type Measurement, measure } from './measure.js';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    channels: { type: 'string', default: '10' },
    properties: { type: 'string', default: '1000' },
  },
});
const shape = {
  connections: Number(values.connections),
  channels: Number(values.channels),
  properties: Number(values.properties),
  secret: TEST_SECRET,
};
for (const [name, value] of Object.entries(shape)) {
  if (name !== 'secret' && !(Number.isInteger(value) && Number(value) > 0)) {
    throw new Error(`--${name} must be a whole number above 0`);
  }
}

const limit = String(shape.connections + 100);
const redis = await startRedis();
const gateway = () =>
  startGateway({
    REDIS_URL: redis.url,
    MAX_CONNECTIONS: limit,
    MAX_CONNECTIONS_PER_IP: limit,
    MAX_CONNECTIONS_PER_USER: limit,
    LOG_LEVEL: 'info',
  });
const bare = () => startProcess(fileURLToPath(new URL('./bare.js', import.meta.url)), {});

async function run(start: () => Promise<TestProcess>, users: Load['users']): Promise<Measurement> {
  const server = await start();
  try {
    return await measure(server, { ...shape, users });
  } finally {
    await server.kill();
  }
}

function row(name: string, measured: Measurement, reference: Measurement): string {
  const perConnection = (bytes: number, idle: number) => (bytes - idle) / shape.connections / 1024;
  const rest = perConnection(measured.restBytes, measured.idleBytes);
  const cells = [
    name.padEnd(28),
    `${measured.secondsUntilReady.toFixed(2)} s`.padStart(9),
    `${(measured.idleBytes / 2 ** 20).toFixed(1)} MB`.padStart(10),
    `${perConnection(measured.readyBytes, measured.idleBytes).toFixed(2)} KB`.padStart(11),
    `${rest.toFixed(2)} KB`.padStart(11),
    `${(rest / perConnection(reference.restBytes, reference.idleBytes)).toFixed(2)} ×`.padStart(8),
  ];
  return cells.join('  ');
}

try {
  const reference = await run(bare, 'distinct');
  const distinct = await run(gateway, 'distinct');
  const same = await run(gateway, 'same');
  console.log(
    `${shape.connections} connections, ${shape.channels} channels each, ${shape.properties} properties in all; Node ${process.version}\n`,
  );
  console.log(
    ['', 'all ready', 'idle', 'per conn.', '10 s later', 'ratio']
      .map((title, n) => (n === 0 ? title.padEnd(28) : title.padStart([0, 9, 10, 11, 11, 8][n] ?? 0)))
      .join('  '),
  );
  console.log(row('uWebSockets.js alone', reference, reference));
  console.log(row('gateway, users all different', distinct, reference));
  console.log(row('gateway, one user', same, reference));
} finally {
  await redis.stop();
}
