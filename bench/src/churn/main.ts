/**
 * `npm run bench:churn -- --minutes 15`, or `--seconds 240`: clients come and go, 200 a second, and the gateway's memory is watched. It has to
 * be level: the slope is printed, and more than a little is an error.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readCommandLine, refuse } from '@belfry/testkit/command-line';
import { leaveFirstCore } from '../machine/cores.js';
import { residentBytes } from '../machine/usage.js';
import { onStage } from '../workloads/stage.js';
import { slopeOf } from './slope.js';

const SAMPLE_MS = 2_000;
/** Caches fill, code is compiled, and every user comes for the first time: what comes before is not counted. */
const WARM_UP_SHARE = 1 / 3;
const WARM_UP_SECONDS = 100;
const COUNTED_SECONDS = 60;
/** Of a slope in MB an hour: what the collector's own rhythm leaves in a run of minutes. */
const LEVEL_BYTES_PER_CONNECT = 20;

const { values } = readCommandLine(
  {
    options: {
      minutes: { type: 'string' },
      /** Instead of minutes, for a look. */
      seconds: { type: 'string' },
      rate: { type: 'string', default: '200' },
      alive: { type: 'string', default: '1000' },
      users: { type: 'string', default: '10000' },
    },
  },
  'npm run bench:churn -- [--minutes 15 | --seconds 240] [--rate 200] [--alive 1000] [--users 10000]',
);
if (values.minutes !== undefined && values.seconds !== undefined) {
  refuse('--minutes and --seconds contradict each other: both say how long it takes. Leave one of them out.');
}
const wanted = (name: keyof typeof values, otherwise?: string): number => {
  const text = values[name] ?? otherwise;
  const number = Number(text);
  if (!(number > 0)) refuse(`--${name} must be a number above 0, not ${text}.`);
  return number;
};
const seconds = values.seconds === undefined ? wanted('minutes', '15') * 60 : wanted('seconds');
if (seconds < WARM_UP_SECONDS + COUNTED_SECONDS) {
  refuse(`less than ${WARM_UP_SECONDS + COUNTED_SECONDS} s say nothing: caches fill and code is compiled at first.`);
}
const warmUp = Math.max(seconds * WARM_UP_SHARE, WARM_UP_SECONDS);
const rate = wanted('rate');
const alive = wanted('alive');
const users = wanted('users');
if (alive >= users) refuse('--alive must be less than --users: who is connected cannot come.');

leaveFirstCore();
const failed = await onStage('belfry', async (stage) => {
  const swarms = await stage.clients({ connections: users, channels: 1_000, channelsEach: 10 });
  swarms.churn(rate, alive);
  const started = performance.now();
  const samples: { seconds: number; bytes: number }[] = [];
  while (performance.now() - started < seconds * 1_000) {
    await Promise.race([sleep(SAMPLE_MS), swarms.failed]);
    const sample = { seconds: (performance.now() - started) / 1000, bytes: residentBytes(stage.server.pid) };
    samples.push(sample);
    if (samples.length % 15 === 0) {
      console.log(`${Math.round(sample.seconds)} s  ${(sample.bytes / 2 ** 20).toFixed(1)} MB`);
    }
  }
  const counted = samples.filter((sample) => sample.seconds > warmUp);
  const bytesPerSecond = slopeOf(counted.map(({ bytes, seconds }) => [seconds, bytes]));
  console.log(
    `slope ${((bytesPerSecond * 3600) / 2 ** 20).toFixed(1)} MB an hour, ${(bytesPerSecond / rate).toFixed(1)} bytes a ` +
      `connect, over the last ${Math.round(seconds - warmUp)} s of ${rate} connects a second`,
  );
  const level = bytesPerSecond / rate <= LEVEL_BYTES_PER_CONNECT;
  console.log(level ? 'level: memory does not grow with those who come and go' : 'not level');
  return !level;
});
process.exit(failed ? 1 : 0);
