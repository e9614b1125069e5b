/**
 * `npm run bench:overload -- --seconds 60`: one channel at all the rate that the gateway can make, and among its followers
 * some that never read. They are cut off and come again all the time. What waits for them is bounded for each, so memory
 * has to stay level: it is printed as it goes, and growth is an error.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CLOSE_CODES } from '@belfry/shared/protocol';
import type { TestGateway } from '@belfry/testkit';
import { readCommandLine, wholeAboveZero } from '@belfry/testkit/command-line';
import { leaveFirstCore } from '../machine/cores.js';
import { residentBytes } from '../machine/usage.js';
import { startPump } from '../workloads/fan-out.js';
import { onStage, watchUsage } from '../workloads/stage.js';

const { values } = readCommandLine(
  {
    options: {
      seconds: { type: 'string', default: '60' },
      /** Followers who read. */
      readers: { type: 'string', default: '200' },
      /** Followers who do not; the kernels hold some megabytes for each. */
      stalled: { type: 'string', default: '40' },
    },
  },
  'npm run bench:overload -- [--seconds 60] [--readers 200] [--stalled 40]',
);
const wanted = (name: keyof typeof values): number => wholeAboveZero(name, values[name]);
const seconds = wanted('seconds');
const readers = wanted('readers');
const stalled = wanted('stalled');

const SAMPLE_MS = 1_000;
/** Each that does not read stays about so long, unless it is cut off before: the kernels take the first megabytes. */
const STALLED_SECONDS = 15;
const WARM_UP_SHARE = 1 / 4;
/** The second half of what is counted may have so much more at its highest than the first. */
const LEVEL = 1.1;
const MB = 2 ** 20;

/** How many were cut off for being too slow. */
async function cutOff({ operatorUrl }: Pick<TestGateway, 'operatorUrl'>): Promise<number> {
  const metrics = await (await fetch(`${operatorUrl}/metrics`)).text();
  const count = new RegExp(
    `^websocket_closes_total\\{[^}]*code="${CLOSE_CODES.slowConsumer.code}"[^}]*\\} (\\d+)`,
    'm',
  );
  return Number(count.exec(metrics)?.[1] ?? 0);
}

leaveFirstCore();
const failed = await onStage('belfry', async (stage) => {
  const channel = { channels: 1, channelsEach: 1 };
  const swarms = await stage.clients({ ...channel, connections: readers, restMs: 10 });
  await swarms.connect();
  const before = residentBytes(stage.server.pid);
  const deaf = await stage.clients({ ...channel, connections: 4 * stalled, stall: true, users: 'same' });
  deaf.churn(stalled / STALLED_SECONDS, stalled);
  const publisher = await stage.publisher();
  const used = watchUsage(stage, swarms);
  const started = performance.now();
  const pump = startPump(publisher, swarms, { ...channel, connections: readers, window: 64 });
  const samples: number[] = [];
  console.log(`${readers} followers read, ${stalled} do not; ${(before / MB).toFixed(1)} MB before the first event`);
  while (performance.now() - started < seconds * 1_000) {
    await Promise.race([sleep(SAMPLE_MS), swarms.failed, pump.failed]);
    samples.push(residentBytes(stage.server.pid));
    if (samples.length % 5 === 0) {
      const passed = Math.round((performance.now() - started) / 1_000);
      console.log(
        `${passed} s  ${((samples.at(-1) ?? 0) / MB).toFixed(1)} MB  ${Math.round(swarms.events / passed).toLocaleString('en')} deliveries/s`,
      );
    }
  }
  const usage = used();
  const published = await pump.stop();
  // Whoever reads has lost nothing by those who do not.
  await swarms.received(published * readers, 30_000);
  const counted = samples.slice(Math.floor(samples.length * WARM_UP_SHARE));
  const half = Math.floor(counted.length / 2);
  const [first, second] = [Math.max(...counted.slice(0, half)), Math.max(...counted.slice(half))];
  const cut = await cutOff(stage.server as TestGateway);
  const level = second <= first * LEVEL && cut > 0;
  console.log(
    `${published.toLocaleString('en')} events, every one at every follower who reads; server CPU ${Math.round(usage.server * 100)} %; ` +
      `${cut} of the others cut off; at most ${(first / MB).toFixed(1)} MB, then ${(second / MB).toFixed(1)} MB: ${level ? 'level' : cut > 0 ? 'it grows' : 'nobody was too slow, which says nothing'}`,
  );
  return !level;
});
process.exit(failed ? 1 : 0);
