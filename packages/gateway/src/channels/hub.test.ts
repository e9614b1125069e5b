import { createVirtualClock } from '@belfry/shared/log/memory';
import { createLogger } from '@belfry/shared/service';
import { describe, expect, it } from 'vitest';
import { createStage } from '../session/session.test-support.js';
import { createHub } from './hub.js';

async function following(channel: string) {
  const stage = createStage();
  const client = await stage.client({ role: 'ADMIN' });
  client.send({ type: 'SUBSCRIBE', channel });
  await stage.clock.advance(100);
  client.take();
  stage.repairs.length = 0;
  return { stage, client };
}

describe('a channel without subscribers', () => {
  it('stays a few seconds: who comes right back costs Redis nothing', async () => {
    const { stage, client } = await following('property:1');
    stage.append('property:1', 3);
    await stage.clock.advance(10);
    const [first] = client.take().map(({ id }) => id);
    client.send({ type: 'UNSUBSCRIBE', channel: 'property:1' });
    await stage.clock.advance(3_000);
    stage.append('property:1');
    await stage.clock.advance(10);
    stage.counts.reads = 0;
    client.send({ type: 'SUBSCRIBE', channel: 'property:1', after: first });
    expect(client.types()).toEqual(['UNSUBSCRIBED', 'SUBSCRIBED true', 'EVENT', 'EVENT', 'EVENT']);
    expect(stage.counts.reads).toBe(0);
  });

  it('goes after that, with its tail', async () => {
    const { stage, client } = await following('property:1');
    stage.append('property:1', 3);
    await stage.clock.advance(10);
    expect(stage.hub.tailBytes).toBeGreaterThan(0);
    client.send({ type: 'UNSUBSCRIBE', channel: 'property:1' });
    await stage.clock.advance(8_000);
    expect(stage.hub.channels.has('property:1')).toBe(false);
    expect(stage.hub.tailBytes).toBe(0);
  });
});

describe('what the link may have missed', () => {
  it('is looked for as soon as it is whole again', async () => {
    const { stage, client } = await following('property:1');
    stage.bus.cut('gateway');
    stage.append('property:1', 2);
    await stage.clock.advance(3_000);
    expect(client.types()).toEqual(['EVENT', 'EVENT']);
    expect(stage.repairs).toEqual(['check: continued']);
  });

  it('is looked for when the log answers again, though the link was whole before', async () => {
    const { stage, client } = await following('property:1');
    stage.bus.cut('gateway');
    stage.append('property:1');
    await stage.clock.advance(150);
    stage.redis.away = true;
    await stage.clock.advance(8_000);
    expect(client.types().filter((type) => type === 'EVENT')).toHaveLength(stage.hub.link.whole ? 1 : 0);
    stage.redis.away = false;
    await stage.clock.advance(8_000);
    expect(stage.hub.channels.get('property:1')?.state).toBe('live');
    expect(stage.repairs).toEqual(['check: continued']);
  });

  it('is found in a quiet channel within a minute, when nothing else tells of it', async () => {
    const { stage, client } = await following('property:1');
    // Dead for a moment, and alive again before any probe misses it.
    const [topic] = ['belfry:{property:1}'];
    const { publish } = stage.bus;
    stage.bus.publish = (to, frame) => (to === topic ? undefined : publish(to, frame));
    stage.append('property:1', 2);
    stage.bus.publish = publish;
    await stage.clock.advance(5);
    expect(client.types()).toEqual([]);
    for (let n = 0; n < 7; n += 1) {
      client.send({ type: 'PONG' });
      await stage.clock.advance(10_000);
    }
    expect(client.types().filter((type) => type === 'EVENT')).toHaveLength(2);
  });

  it('is nothing where all is well: spot checks read no log', async () => {
    const { stage, client } = await following('property:1');
    stage.append('property:1', 2);
    await stage.clock.advance(10);
    stage.counts.reads = 0;
    for (let n = 0; n < 20; n += 1) {
      client.send({ type: 'PONG' });
      await stage.clock.advance(10_000);
    }
    expect(stage.counts.reads).toBe(0);
    expect(stage.counts.positions).toBeGreaterThan(3);
    expect(stage.repairs).toEqual([]);
  });
});

it('looks at its channels little by little, each of them once a minute: no event waits for all of them', async () => {
  const nothing = () => undefined;
  const clock = createVirtualClock();
  const position = { epoch: 1, offset: 0 };
  const asked = new Map<string, number>();
  let most = 0;
  const hub = createHub({
    log: {
      read: async () => ({ position, continuous: false, entries: [], snapshot: undefined }),
      positions: async (names) => {
        most = Math.max(most, names.length);
        for (const name of names) asked.set(name, (asked.get(name) ?? 0) + 1);
        return names.map(() => position);
      },
      keep: async () => undefined,
    },
    openLink: ({ onSubscribed }) => ({
      subscribe: async () => undefined,
      follow: (channel) => onSubscribed?.([channel]),
      unsubscribe: nothing,
      whole: true,
      since: 0,
      close: nothing,
    }),
    publish: nothing,
    clock,
    random: () => 0.5,
    logger: createLogger('test', 'silent'),
    observer: { repaired: nothing, joined: nothing, ignored: nothing, delivered: nothing },
    tailEvents: 50,
    tailBytes: 1e6,
    lingerMs: 1e9,
    spotCheckMs: 60_000,
  });
  for (let n = 0; n < 1_200; n += 1) hub.open(`property:${n}`);
  await clock.advance(60_000);
  expect(most).toBe(2);
  expect(asked.size).toBe(1_200);
  expect(Math.max(...asked.values())).toBe(1);
  hub.close();
});

it('keeps a silent channel from being forgotten while somebody follows it: no new epoch is told for nothing', async () => {
  const stage = createStage();
  const client = await stage.client({ role: 'ADMIN', expiresAt: 1e12 });
  client.send({ type: 'SUBSCRIBE', channel: 'property:1' });
  await stage.clock.advance(100);
  client.take();
  for (let minute = 0; minute < 7 * 60; minute += 1) {
    client.send({ type: 'PONG' });
    await stage.clock.advance(60_000);
  }
  expect(client.types()).toEqual([]);
  stage.append('property:1');
  await stage.clock.advance(10);
  expect(client.types()).toEqual(['EVENT']);
});

it('closed, it lets go of everything', async () => {
  const { stage } = await following('property:1');
  stage.hub.close();
  stage.sessions.close();
  await stage.clock.advance(60_000);
  expect(stage.hub.channels.size).toBe(0);
  expect(stage.hub.link.whole).toBe(false);
});
