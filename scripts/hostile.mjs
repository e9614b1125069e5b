// @ts-check
/**
 * `npm run hostile -- --clients 1000 --rounds 5 --attacks pings,"never reads"`: what honest clients notice of each attack,
 * made at full rate from one core: their p99 in quiet and under attack, and what they lost.
 *
 * Everything runs on this machine, where an attacker takes a core, and the kernel's time, from those whom it attacks. That
 * would be measured with it; so in quiet, too, a process does the same, to a server of its own. `--alone` leaves it out.
 * Quiet and attack take turns, and the middle one of the rounds counts: what else the machine does meanwhile is then not
 * taken for an attack.
 *
 * `--server bare` puts the least server in the gateway's place that passes events on at all, uWebSockets.js and forty lines:
 * what its clients notice is the machine's and the kernel's share.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aboveZero, oneOf, readCommandLine, wholeAboveZero } from './command-line.mjs';
import { ATTACKS } from './hostile-attack.mjs';
import { spawnOwned, stopProcess } from './processes.mjs';
import { ROOT, setUp } from './setup.mjs';
import { explained } from './steps.mjs';

const known = Object.keys(ATTACKS);
const { values } = readCommandLine(
  {
    options: {
      clients: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      attacks: { type: 'string' },
      alone: { type: 'boolean', default: false },
      server: { type: 'string', default: 'gateway' },
    },
  },
  `npm run hostile -- [--clients 1000] [--rounds 5] [--seconds 3] [--attacks pings,"never reads"] [--alone] [--server bare]

  --clients   honest ones
  --rounds    of quiet and attack in turns
  --seconds   of each
  --attacks   of ${known.join(', ')}; default: all
  --alone     no other process is as busy in quiet as in the attack
  --server    gateway (default), or bare: the least server that passes events on at all`,
);
const count = wholeAboveZero('clients', values.clients);
const rounds = wholeAboveZero('rounds', values.rounds);
const seconds = aboveZero('seconds', values.seconds);
const chosen = values.attacks?.split(',').map((name) => name.trim()) ?? known;
oneOf('attacks', chosen, known);
oneOf('server', [values.server], ['gateway', 'bare']);
const EVERY_MS = 100;
/** What is on its way gets this long to arrive. */
const ARRIVAL_MS = 15_000;
/** How long the cluster may take to get over an attack, before the next quiet is measured. */
const CALM_MS = 30_000;
const CALM_PROBES = 20;
const CHANNELS = 100;

await explained(setUp());
const { connect, mintToken, openTestLog, startGateway, startProcess, startRedis, TEST_SECRET } = await import(
  join(ROOT, 'testkit/dist/index.js')
);
const redis = await startRedis();
const server = values.server === 'gateway' ? await serveGateway() : await serveBare();
/** @type {number[]} */
let latencies = [];
let received = 0;
let closed = 0;
/** @type {{ socket: import('ws').WebSocket, next: (type: string) => Promise<unknown>, send: (frame: object) => void }[]} */
const clients = [];
for (let n = 0; n < count; n += 1) {
  const client = await server.enter(mintToken({ user_id: `honest-${n}` }));
  await client.next('AUTHENTICATED');
  client.send({ type: 'SUBSCRIBE', property_ids: [String(n % CHANNELS)] });
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

/** @param {() => boolean} condition @param {number} timeoutMs */
async function until(condition, timeoutMs) {
  const end = performance.now() + timeoutMs;
  while (!condition() && performance.now() < end) await sleep(20);
  return condition();
}

const perChannel = count / CHANNELS;
let published = 0;
const publish = async () => {
  await server.publish(`property:${published % CHANNELS}`, performance.now());
  published += 1;
};

/** Publishes for a while; what came of it. */
async function measure() {
  latencies = [];
  received = 0;
  published = 0;
  const closedBefore = closed;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await publish();
    await sleep(EVERY_MS / 10);
  }
  await until(() => received >= published * perChannel, ARRIVAL_MS);
  return { p99: p99(), lost: published * perChannel - received, closed: closed - closedBefore };
}

/** Resolves once events arrive as fast as they do in quiet, many in a row. @param {number} quietMs */
async function calm(quietMs) {
  const began = performance.now();
  for (let good = 0; good < CALM_PROBES && performance.now() - began < CALM_MS; good += 1) {
    latencies = [];
    received = 0;
    published = 0;
    await publish();
    await until(() => received >= perChannel, ARRIVAL_MS);
    if (Math.max(...latencies) > Math.max(20, quietMs)) good = -1;
  }
  return (performance.now() - began) / 1_000;
}

/** @param {string} attack @param {string} target the gateway's port, or `sink` */
const attackOn = (attack, target) =>
  spawnOwned(process.execPath, [join(ROOT, 'scripts/hostile-attack.mjs'), attack, target], { stdio: 'ignore' });

console.log(
  `${count} honest clients; ms; s until calm again\n${'attack'.padEnd(26)} quiet p99   p99   ratio   lost   closed   calm`,
);
let failed = false;
/** @param {string[]} cells */
const print = (cells) => console.log(cells.map((cell, n) => (n === 0 ? cell.padEnd(26) : cell.padStart(8))).join(''));
/** The middle one. @param {readonly number[]} figures */
const median = (figures) => [...figures].sort((x, y) => x - y)[Math.floor(figures.length / 2)] ?? Number.NaN;
/** While something else runs. @param {import('node:child_process').ChildProcess | undefined} child */
async function beside(child) {
  await sleep(500);
  const result = await measure();
  if (child) await stopProcess(child);
  return result;
}

for (const attack of chosen) {
  /** @type {{ quiet: Awaited<ReturnType<typeof measure>>, under: Awaited<ReturnType<typeof measure>> }[]} */
  const seen = [];
  let calmAfter = 0;
  for (let n = 0; n < rounds; n += 1) {
    const quiet = await beside(values.alone ? undefined : attackOn(attack, 'sink'));
    const under = await beside(attackOn(attack, String(server.port)));
    seen.push({ quiet, under });
    calmAfter = Math.max(calmAfter, await calm(quiet.p99));
  }
  const quiet = median(seen.map((round) => round.quiet.p99));
  const p99Under = median(seen.map((round) => round.under.p99));
  const sum = (/** @type {'lost' | 'closed'} */ what) =>
    seen.reduce((all, round) => all + round.under[what] + round.quiet[what], 0);
  failed ||= !(p99Under <= 2 * quiet) || sum('lost') !== 0 || sum('closed') !== 0;
  print([
    attack,
    quiet.toFixed(1),
    p99Under.toFixed(1),
    (p99Under / quiet).toFixed(2),
    String(sum('lost')),
    String(sum('closed')),
    calmAfter.toFixed(1),
  ]);
}
for (const client of clients) client.socket.terminate();
await server.stop();
await redis.stop();
process.exitCode = failed ? 1 : 0;

/** A gateway as it is shipped, with events in its log. */
async function serveGateway() {
  const gateway = await startGateway({
    REDIS_URL: redis.url,
    ACCESS_POLICY: 'authenticated',
    MAX_CONNECTIONS_PER_USER: '50',
  });
  const log = openTestLog(redis.url);
  return {
    port: gateway.port,
    enter: (/** @type {string} */ token) => connect(gateway.wsUrl, { token }),
    publish: (/** @type {string} */ channel, /** @type {number} */ sent) => log.append(channel, [{ sent }]),
    async stop() {
      log.close();
      await gateway.stop();
    },
  };
}

/** The bare server of the bench, which keeps nothing and refuses nobody. */
async function serveBare() {
  const bare = await startProcess(join(ROOT, 'bench/dist/peers/bare.js'), {
    REDIS_URL: redis.url,
    JWT_SECRET: TEST_SECRET,
  });
  const publisher = redis.connect();
  return {
    port: bare.port,
    async enter(/** @type {string} */ token) {
      const client = await connect(`ws://127.0.0.1:${bare.port}/ws`);
      client.send({ type: 'AUTHENTICATE', token });
      return client;
    },
    publish: (/** @type {string} */ channel, /** @type {number} */ sent) =>
      publisher.publish(channel, JSON.stringify({ type: 'VIOLATION_UPDATE', channel, sent })),
    async stop() {
      publisher.disconnect();
      await bare.stop();
    },
  };
}
