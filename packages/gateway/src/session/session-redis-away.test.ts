import { describe, expect, it } from 'vitest';
import { createStage } from './session.test-support.js';

describe('while Redis is away', () => {
  it('a SUBSCRIBE waits, then says so; what was sent behind it is answered after it', async () => {
    const stage = createStage();
    const client = await stage.client({ role: 'ADMIN' });
    stage.redis.away = true;
    stage.bus.cut('gateway');
    await stage.clock.advance(100);
    client.send({ type: 'SUBSCRIBE', property_id: '1', ref: 'r' });
    client.send({ type: 'PING' });
    await stage.clock.advance(1_900);
    expect(client.types()).toEqual([]);
    await stage.clock.advance(200);
    expect(client.take()).toMatchObject([
      { type: 'ERROR', code: 'unavailable', channel: 'property:1', ref: 'r', retry_after_ms: 700 },
      { type: 'PONG' },
    ]);
    client.send({ type: 'SUBSCRIBE', property_id: '1' });
    stage.redis.away = false;
    await stage.clock.advance(1_900);
    expect(client.types()).toEqual(['SUBSCRIBED']);
  });

  it.each([{ rewind: 100 }, { after: '1-1' }])(
    'a channel that is followed, and asked for anew with %o in vain, is followed on without a hole',
    async (past) => {
      const stage = createStage();
      const client = await stage.client({ role: 'ADMIN' });
      client.send({ type: 'SUBSCRIBE', property_id: '1' });
      await stage.clock.advance(100);
      stage.append('property:1', 2);
      await stage.clock.advance(100);
      client.take();
      stage.redis.away = true;
      stage.bus.cut('gateway');
      await stage.clock.advance(100);
      for (const ref of ['r', 's']) client.send({ type: 'SUBSCRIBE', property_id: '1', ref, ...past });
      await stage.clock.advance(4_500);
      expect(client.types()).toEqual(['ERROR unavailable', 'ERROR unavailable']);
      const missed = stage.append('property:1', 3);
      stage.redis.away = false;
      await stage.clock.advance(5_000);
      missed.push(...stage.append('property:1'));
      await stage.clock.advance(100);
      expect(client.take().map(({ id }) => id)).toEqual(missed);
    },
  );

  it('a channel that is asked for anew in vain, and left meanwhile or behind it, stays left', async () => {
    for (const waitMs of [0, 2_500]) {
      const stage = createStage();
      const client = await stage.client({ role: 'ADMIN' });
      client.send({ type: 'SUBSCRIBE', property_id: '1' });
      await stage.clock.advance(100);
      stage.redis.away = true;
      stage.bus.cut('gateway');
      await stage.clock.advance(100);
      client.send({ type: 'SUBSCRIBE', property_id: '1', rewind: 1 });
      await stage.clock.advance(waitMs);
      client.send({ type: 'UNSUBSCRIBE', property_id: '1' });
      stage.redis.away = false;
      await stage.clock.advance(10_000);
      client.take();
      stage.append('property:1');
      await stage.clock.advance(100);
      expect(client.types()).toEqual([]);
    }
  });

  it('a channel that was promised, and is asked for in vain, is joined when it is back all the same', async () => {
    const stage = createStage();
    stage.redis.away = true;
    stage.bus.cut('gateway');
    const client = await stage.client();
    client.send({ type: 'SUBSCRIBE', channel: 'user:landlord-7', rewind: 1 });
    await stage.clock.advance(5_000);
    client.take();
    stage.redis.away = false;
    await stage.clock.advance(5_000);
    client.take();
    stage.append('user:landlord-7');
    await stage.clock.advance(100);
    expect(client.take()).toMatchObject([{ channel: 'user:landlord-7' }]);
  });

  it('channels that were promised are joined when it is back, however long that takes, and it is told from where', async () => {
    const stage = createStage();
    stage.append('user:landlord-7');
    stage.redis.away = true;
    stage.bus.cut('gateway');
    const client = await stage.client();
    await stage.clock.advance(20_000);
    expect(client.types()).toEqual([]);
    stage.redis.away = false;
    await stage.clock.advance(5_000);
    const told = client.take();
    expect(new Set(told.map(({ channel }) => channel))).toEqual(new Set(['user:landlord-7', 'role:everyone']));
    expect(told.map(({ type, recovered, replay }) => [type, recovered, replay])).toEqual([
      ['SUBSCRIBED', undefined, 0],
      ['SUBSCRIBED', undefined, 0],
    ]);
    stage.append('user:landlord-7');
    await stage.clock.advance(100);
    const [event] = client.take();
    const at = told.find(({ channel }) => channel === 'user:landlord-7')?.id;
    expect(offsetOf(event?.id)).toBe(offsetOf(at) + 1);
  });

  it('channels that were promised before the connection was lost are not told again', async () => {
    const stage = createStage();
    const client = await stage.client();
    await stage.clock.advance(100);
    stage.redis.away = true;
    stage.bus.cut('gateway');
    await stage.clock.advance(5_000);
    stage.redis.away = false;
    await stage.clock.advance(5_000);
    expect(client.types()).toEqual([]);
  });

  it('a client that goes leaves nothing behind that waits', async () => {
    const stage = createStage();
    stage.redis.away = true;
    const client = await stage.client({ role: 'ADMIN' });
    client.send({ type: 'SUBSCRIBE', property_ids: ['1', '2'] });
    client.session.end({ code: 4002, reason: 'disconnected by an operator', client: 'stop' });
    await stage.clock.advance(10_000);
    expect(stage.hub.channels.size).toBe(0);
  });
});

const offsetOf = (id: unknown): number => Number(String(id).split('-')[1]);
