/**
 * What a board costs, and whether it keeps its promise: `npm run bench:board -- --followers 1000 --changes 1000`. Real
 * clients on one gateway; ends with exit code 1 where a follower got more than one push per key and interval, or not the
 * last value.
 */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { mintToken, openTestLog, startGateway, startRedis } from '@belfry/testkit';
import { readCommandLine, refuse, wholeAboveZero } from '@belfry/testkit/command-line';
import type { FollowersMessage, FollowersReport } from './plan.js';

const { values } = readCommandLine(
  {
    options: {
      followers: { type: 'string', default: '1000' },
      changes: { type: 'string', default: '1000' },
      keys: { type: 'string', default: '10' },
      interval: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '20' },
    },
  },
  'npm run bench:board -- [--followers 1000] [--changes 1000] [--keys 10] [--interval 2000] [--seconds 20]',
);
const wanted = (name: keyof typeof values): number => wholeAboveZero(name, values[name]);
const plan = {
  followers: wanted('followers'),
  changesPerSecond: wanted('changes'),
  keys: wanted('keys'),
  intervalMs: wanted('interval'),
  seconds: wanted('seconds'),
};
if (plan.keys > plan.changesPerSecond * plan.seconds) {
  refuse('--keys must not be more than --changes times --seconds: some would never change.');
}

const CHANNEL = 'state:tasks';
const TEXT = 'Repair the boiler in the basement of the building. '.repeat(5);
/** Two pushes leave the gateway an interval apart; on the way, and in the client, one may be held up. */
const JITTER_MS = 250;
const CLOCK_TICKS_PER_SECOND = 100;

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

const redis = await startRedis();
const gateway = await startGateway({
  REDIS_URL: redis.url,
  BOARD_INTERVALS_MS: `*:${plan.intervalMs}`,
  MAX_CONNECTIONS_PER_USER: String(plan.followers),
});
const log = openTestLog(redis.url);
const child = fork(fileURLToPath(new URL('./followers.js', import.meta.url)));

function told<K extends FollowersMessage['kind']>(kind: K): Promise<Extract<FollowersMessage, { kind: K }>> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: FollowersMessage) => {
      if (message.kind === kind) resolve(message as Extract<FollowersMessage, { kind: K }>);
      else if (message.kind === 'failed') reject(new Error(message.reason));
    });
    child.once('exit', () => reject(new Error('the client process ended')));
  });
}

/** Makes the changes at an even pace; resolves with the last value of each key. */
async function change(): Promise<Record<string, number>> {
  const last: Record<string, number> = {};
  const total = plan.changesPerSecond * plan.seconds;
  const started = performance.now();
  for (let n = 0; n < total; ) {
    const due = Math.min(total, Math.ceil(((performance.now() - started) * plan.changesPerSecond) / 1000));
    const batch: Promise<unknown>[] = [];
    for (; n < due; n += 1) {
      const key = `task-${n % plan.keys}`;
      last[key] = n;
      const event = { type: 'STATE_UPDATE', key, document: { n, status: n % 2 ? 'open' : 'done', text: TEXT } };
      batch.push(log.append(CHANNEL, [event], `event:${key}`));
    }
    await Promise.all(batch);
    await sleep(1);
  }
  return last;
}

function print(report: FollowersReport, seconds: number, cpu: number): boolean {
  const most = 2 + Math.ceil((seconds * 1000) / plan.intervalMs);
  const rows: [string, string][] = [
    ['followers, changes per second, keys', `${plan.followers}, ${plan.changesPerSecond}, ${plan.keys}`],
    ['interval', `${plan.intervalMs} ms`],
    ['changes made', `${plan.changesPerSecond * plan.seconds} in ${seconds.toFixed(1)} s`],
    ['pushes in all', `${report.pushes}, of which patches ${report.patches}`],
    ['a push', `${Math.round(report.bytes / report.pushes)} bytes on average`],
    ['pushes per follower and key', `at most ${report.mostPushes}; allowed ${most}`],
    ['least time between two of a key', `${report.leastGapMs.toFixed(0)} ms`],
    ['first change to its push', `p50 ${report.firstMs.p50.toFixed(1)} ms, p99 ${report.firstMs.p99.toFixed(1)} ms`],
    ['followers with the last value of each key', `${report.complete} of ${plan.followers}`],
    ['CPU of the gateway', `${((100 * cpu) / seconds).toFixed(1)} % of one core`],
  ];
  for (const [what, value] of rows) console.log(`${what.padEnd(44)}${value}`);
  return (
    report.mostPushes <= most && report.leastGapMs >= plan.intervalMs - JITTER_MS && report.complete === plan.followers
  );
}

try {
  const ready = told('ready');
  child.send({
    port: gateway.port,
    followers: plan.followers,
    token: mintToken({ user_id: 'load', role: 'ADMIN' }),
    channel: CHANNEL,
  });
  await ready;
  const started = performance.now();
  const cpuBefore = cpuSeconds(gateway.pid);
  const last = await change();
  const seconds = (performance.now() - started) / 1000;
  // The last values may wait for the end of their interval.
  await sleep(plan.intervalMs + 1_000);
  const cpu = cpuSeconds(gateway.pid) - cpuBefore;
  const reported = told('report');
  child.send({ last });
  if (!print(await reported, seconds, cpu)) {
    console.error('a promise was broken');
    process.exitCode = 1;
  }
} finally {
  child.removeAllListeners('exit');
  child.kill('SIGKILL');
  log.close();
  await gateway.stop();
  await redis.stop();
}
