/**
 * `npm run bench:connections -- --connections 12000`: what one gateway needs for that many clients with ten channels each,
 * while events reach them. For planning: the bench itself tells what a single connection costs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readCommandLine, refuse, wholeAboveZero } from '@belfry/testkit/command-line';
import { leaveFirstCore } from '../machine/cores.js';
import { cpuSeconds, peakResidentBytes, residentBytes } from '../machine/usage.js';
import { onStage } from '../workloads/stage.js';

const SETTLE_MS = 1_500;
/** The collector takes back what a rush of clients left behind. */
const REST_MS = 8_000;
const DRAIN_MS = 20_000;

const { values } = readCommandLine(
  {
    options: {
      connections: { type: 'string', default: '12000' },
      channels: { type: 'string', default: '1000' },
      /** Channels that each client follows. */
      each: { type: 'string', default: '10' },
      /** Events a second, on all channels in turn. */
      rate: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '15' },
    },
  },
  'npm run bench:connections -- [--connections 12000] [--channels 1000] [--each 10] [--rate 100] [--seconds 15]',
);
const wanted = (name: keyof typeof values): number => wholeAboveZero(name, values[name]);
const connections = wanted('connections');
const channels = wanted('channels');
const channelsEach = wanted('each');
const rate = wanted('rate');
const seconds = wanted('seconds');
if (channelsEach > channels) refuse('--each must not be more than --channels.');

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

leaveFirstCore();
await onStage('belfry', async (stage) => {
  const { pid } = stage.server;
  const swarms = await stage.clients({ connections, channels, channelsEach });
  await sleep(SETTLE_MS);
  const empty = residentBytes(pid);
  console.log(`${megabytes(empty)} resident without clients`);
  const cpuBefore = cpuSeconds(pid);
  const ready = await swarms.connect();
  console.log(
    `${connections} clients with ${channelsEach} channels each ready in ${ready.toFixed(1)} s, ` +
      `${(cpuSeconds(pid) - cpuBefore).toFixed(1)} s CPU`,
  );
  await Promise.race([sleep(REST_MS), swarms.failed]);
  const resting = residentBytes(pid);
  console.log(`${megabytes(resting)} resident, ${((resting - empty) / connections / 1024).toFixed(2)} KB a connection`);
  const publisher = await stage.publisher();
  const started = performance.now();
  let published = 0;
  while (published < rate * seconds) {
    const due = Math.min(rate * seconds, ((performance.now() - started) / 1000) * rate);
    for (; published < due; published += 1) await publisher.publish(published % channels);
    await Promise.race([sleep(1), swarms.failed]);
  }
  await swarms.received(Math.floor((published * connections * channelsEach) / channels), DRAIN_MS);
  const busy = residentBytes(pid);
  console.log(
    `${megabytes(busy)} resident after ${published} events to ${Math.round((connections * channelsEach) / channels)} ` +
      `clients each; ${megabytes(peakResidentBytes(pid))} at its peak`,
  );
});
process.exit(0);
