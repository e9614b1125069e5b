/** The link's races, each on a clock that stands still: what real Redis shows once in a thousand runs. */
import { expect, it } from 'vitest';
import { createLogger } from '../../service/index.js';
import { channelKeys, DEFAULT_KEY_PREFIX } from '../keys.js';
import { createMemoryBus } from './memory-bus.js';
import { createMemoryLink } from './memory-link.js';
import { createSeededRandom } from './random.js';
import { createVirtualClock } from './virtual-clock.js';

const CHANNEL = 'property:1';
const TOPIC = channelKeys(DEFAULT_KEY_PREFIX, CHANNEL).topic;

function createStage(options: { reachable?: () => boolean } = {}) {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  const bus = createMemoryBus({ clock, delayMs: () => 10, ...options });
  const heard: string[] = [];
  const synced: (readonly string[])[] = [];
  const downs: string[] = [];
  const link = createMemoryLink(
    { bus, node: 'a', clock, random, logger: createLogger('test', 'silent') },
    {
      onFrame: (_channel, frame) => void heard.push(frame.toString()),
      onSynced: (channels) => void synced.push(channels),
      onDown: (reason) => void downs.push(reason),
    },
  );
  return { clock, bus, link, heard, synced, downs };
}

it('a channel that is given up and wanted again while it is being subscribed is confirmed only when it is heard', async () => {
  // At every moment of the way: connecting, subscribing the probe, the batch under way, confirmed.
  for (let ms = 0; ms <= 80; ms += 2) {
    const { bus, clock, heard, link } = createStage();
    link.subscribe(CHANNEL);
    await clock.advance(ms);
    link.unsubscribe(CHANNEL);
    let confirmed = false;
    link.subscribe(CHANNEL).then(() => {
      confirmed = true;
      bus.publish(TOPIC, `after ${ms}`);
    });
    await clock.advance(500);
    expect(confirmed).toBe(true);
    expect(heard).toEqual([`after ${ms}`]);
    link.close();
  }
});

it('reports every channel as synced after every connection, once it is heard', async () => {
  const { bus, clock, heard, link, synced } = createStage();
  link.subscribe(CHANNEL);
  link.subscribe('property:2');
  await clock.advance(100);
  for (let cut = 1; cut <= 5; cut += 1) {
    bus.cut('a', cut % 2 === 0);
    await clock.advance(3_000);
    expect(synced).toHaveLength(1 + cut);
    expect([...(synced.at(-1) ?? [])].sort()).toEqual([CHANNEL, 'property:2']);
    bus.publish(TOPIC, `cut ${cut}`);
    await clock.advance(20);
    expect(heard.at(-1)).toBe(`cut ${cut}`);
  }
});

it('hears nothing of a connection that it has given up', async () => {
  const { bus, clock, heard, link } = createStage();
  link.subscribe(CHANNEL);
  await clock.advance(100);
  bus.publish(TOPIC, 'on its way');
  bus.cut('a', true);
  await clock.advance(3_000);
  // Either before the end of the connection or not at all; never behind what the next connection brings.
  bus.publish(TOPIC, 'later');
  await clock.advance(20);
  expect(heard.filter((frame) => frame !== 'on its way')).toEqual(['later']);
  expect(heard.at(-1)).toBe('later');
});

it('finds a dead subscription within two probes and a tick, and is whole again', async () => {
  const { bus, clock, downs, link } = createStage();
  link.subscribe(CHANNEL);
  await clock.advance(100);
  bus.deaden('a');
  await clock.advance(9_100);
  expect(downs).toEqual(['probe missed']);
  await clock.advance(2_000);
  expect(link.whole).toBe(true);
});

it('finds a dead subscription also where the clock was set back meanwhile', async () => {
  const { bus, clock, downs, link } = createStage();
  link.subscribe(CHANNEL);
  await clock.advance(100);
  const { now } = clock;
  Object.assign(clock, { now: () => now() - 300_000 });
  bus.deaden('a');
  await clock.advance(9_100);
  expect(downs).toEqual(['probe missed']);
});

it('keeps trying while Redis is away, and says since when it is not whole', async () => {
  let away = false;
  const { bus, clock, link } = createStage({ reachable: () => !away });
  link.subscribe(CHANNEL);
  await clock.advance(100);
  away = true;
  const left = clock.now();
  bus.cut('a');
  await clock.advance(60_000);
  expect(link.whole).toBe(false);
  expect(link.since).toBeLessThanOrEqual(left + 10);
  away = false;
  await clock.advance(2_100);
  expect(link.whole).toBe(true);
});
