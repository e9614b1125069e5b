import { CONFORMANCE_RETENTION, describeLog, type LogUnderTest, OUTLIVED_MS } from '../conformance.test-support.js';
import { createMemoryLog } from './memory-log.js';
import { createMemoryStore } from './memory-store.js';
import { createSeededRandom } from './random.js';
import { createVirtualClock } from './virtual-clock.js';

async function start(): Promise<LogUnderTest> {
  const clock = createVirtualClock();
  const frames: { channel: string; frame: string }[] = [];
  const store = createMemoryStore({
    now: clock.now,
    random: createSeededRandom(7),
    retention: CONFORMANCE_RETENTION,
    publish: (channel, frame) => void frames.push({ channel, frame }),
  });
  return {
    log: createMemoryLog({ store, clock }),
    published: async () => frames,
    generations: async () => [store.generation],
    restart: async () => store.restart(),
    async failover(write) {
      const before = store.writes;
      await write();
      store.restart(store.writes - before);
    },
    async flush() {
      store.flush();
      // An epoch is named by its millisecond; no Redis is emptied and written to within one.
      await clock.advance(1);
    },
    forget: async (channel, key) => store.forget(channel, key),
    outlive: (part = 1) => clock.advance(OUTLIVED_MS * part),
    close: async () => undefined,
  };
}

describeLog('the log in memory', start);
