// @ts-check
/**
 * `npm run hostile -- --clients 1000 --seconds 8`: what honest clients notice of each attack, made at full rate from one
 * core: their p99 in quiet and under attack, and what they lost. Everything runs on this machine.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { spawnOwned, stopProcess } from './processes.mjs';
import { build, ROOT } from './setup.mjs';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '8' },
    attacks: { type: 'string' },
  },
});
const EVERY_MS = 100;
const SETTLE_MS = 2_000;
const CHANNELS = 100;

await build();
const { connect, mintToken, openTestLog, startGateway, startRedis } = await import(join(ROOT, 'testkit/dist/index.js'));
const { ATTACKS } = await import('./hostile-attack.mjs');
const redis = await startRedis();
const gateway = await startGateway({
  REDIS_URL: redis.url,
  ACCESS_POLICY: 'authenticated',
  MAX_CONNECTIONS_PER_USER: '50',
});
const log = openTestLog(redis.url);
const count = Number(values.clients);
/** @type {number[]} */
let latencies = [];
let received = 0;
let closed = 0;
/** @type {{ socket: import('ws').WebSocket, next: (type: string) => Promise<unknown>, send: (frame: object) => void }[]} */
const clients = [];
for (let n = 0; n < count; n += 1) {
  const client = await connect(gateway.wsUrl, { token: mintToken({ user_id: `honest-${n}` }) });
  await client.next('AUTHENTICATED');
  client.send({ type: 'SUBSCRIBE', property_id: String(n % CHANNELS) });
  await client.next('SUBSCRIBED');
  client.socket.removeAllListeners('message');
  client.socket.on('message', (/** @type {Buffer} */ data) => {
    const text = String(data);
    if (text.includes('"PING"')) return client.socket.send('{"type":"PONG"}');
    const sent = /"sent":([\d.]+)/.exec(text)?.[1];
    if (!sent) return;
    received += 1;
    latencies.push(performance.now() - Number(sent));
  });
  client.socket.once('close', () => {
    closed += 1;
  });
  clients.push(client);
}

const p99 = () => latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? Number.NaN;

/** Publishes for a while; what came of it. */
async function measure() {
  latencies = [];
  received = 0;
  const closedBefore = closed;
  const perChannel = count / CHANNELS;
  let published = 0;
  const end = performance.now() + Number(values.seconds) * 1000;
  for (let n = 0; performance.now() < end; n += 1) {
    await log.append(`property:${n % CHANNELS}`, [{ sent: performance.now() }]);
    published += 1;
    await sleep(EVERY_MS / 10);
  }
  await sleep(SETTLE_MS);
  return { p99: p99(), lost: published * perChannel - received, closed: closed - closedBefore };
}

console.log(`${count} honest clients; ms\n${'attack'.padEnd(26)} quiet p99   p99   ratio   lost   closed`);
let failed = false;
for (const attack of Object.keys(ATTACKS).filter(
  (name) => !values.attacks || values.attacks.split(',').includes(name),
)) {
  const quiet = await measure();
  const child = spawnOwned(process.execPath, [join(ROOT, 'scripts/hostile-attack.mjs'), attack, String(gateway.port)], {
    stdio: 'ignore',
  });
  await sleep(500);
  const under = await measure();
  await stopProcess(child);
  const ratio = under.p99 / quiet.p99;
  failed ||= ratio > 2 || under.lost !== 0 || under.closed !== 0;
  const cells = [
    quiet.p99.toFixed(1),
    under.p99.toFixed(1),
    ratio.toFixed(1),
    String(under.lost),
    String(under.closed),
  ];
  console.log(attack.padEnd(26) + cells.map((cell) => cell.padStart(8)).join(''));
  await sleep(1_000);
}
for (const client of clients) client.socket.terminate();
log.close();
await gateway.stop();
await redis.stop();
process.exitCode = failed ? 1 : 0;
