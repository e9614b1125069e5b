/** What every workload begins with: a Redis of its own, one contender's server on a core of its own, clients. */
import { startRedis, TEST_SECRET, type TestRedis } from '@belfry/testkit';
import type { Contender, Publisher, RunningServer } from '../contenders/contender.js';
import { contenders } from '../contenders/index.js';
import type { ContenderName } from '../contenders/names.js';
import { type Load, type Swarms, startSwarms } from '../load/swarms.js';
import { giveFirstCore } from '../machine/cores.js';
import { cpuSeconds, cpuSecondsOf, stolenSeconds } from '../machine/usage.js';

export interface Stage {
  readonly contender: Contender;
  readonly redis: TestRedis;
  readonly server: RunningServer;
  /** Clients that are prepared, not yet connected. */
  clients(load: ClientLoad): Promise<Swarms>;
  publisher(): Promise<Publisher>;
}

export type ClientLoad = Pick<Load, 'connections' | 'channels' | 'channelsEach'> & Partial<Load>;

/** Below what listen queues take (511), so that no handshake has to be repeated a second later. */
const AT_ONCE = 400;

export async function onStage<T>(name: ContenderName, play: (stage: Stage) => Promise<T>): Promise<T> {
  const endings: (() => Promise<unknown>)[] = [];
  const contender = contenders[name];
  try {
    const redis = await startRedis();
    endings.push(() => redis.stop());
    const server = await contender.start(redis);
    endings.push(() => server.stop());
    giveFirstCore(server.pid);
    return await play({
      contender,
      redis,
      server,
      async clients(load) {
        const swarms = await startSwarms({
          contender: name,
          port: server.port,
          users: 'distinct',
          secret: TEST_SECRET,
          atOnce: AT_ONCE,
          sampleEvery: 0,
          restMs: 0,
          remember: false,
          stall: false,
          ...load,
        });
        endings.push(() => swarms.end());
        return swarms;
      },
      async publisher() {
        const publisher = await contender.openPublisher(redis, server);
        endings.push(() => publisher.close());
        return publisher;
      },
    });
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

/** Who used how much of the machine, in cores. */
export interface Usage {
  readonly server: number;
  readonly redis: number;
  /** The client processes. Near the cores they have, they would be what is measured. */
  readonly clients: number;
  /** The process that publishes. */
  readonly publisher: number;
  /** What the host gave to others meanwhile: where it is much, the machine was measured and not the server. */
  readonly stolen: number;
}

/** Returns a function that says what was used since. */
export function watchUsage(stage: Stage, swarms: Swarms): () => Usage & { readonly seconds: number } {
  const read = () => ({
    server: cpuSeconds(stage.server.pid),
    redis: cpuSeconds(stage.redis.pid()),
    clients: cpuSecondsOf(swarms.pids),
    publisher: cpuSeconds(process.pid),
    stolen: stolenSeconds(),
  });
  const before = read();
  const started = performance.now();
  return () => {
    const seconds = (performance.now() - started) / 1000;
    const after = read();
    const used = (who: keyof Usage): number => (after[who] - before[who]) / seconds;
    return {
      seconds,
      server: used('server'),
      redis: used('redis'),
      clients: used('clients'),
      publisher: used('publisher'),
      stolen: used('stolen'),
    };
  };
}
