import { createVirtualClock } from '@belfry/shared/log/memory';
import { describe, expect, it } from 'vitest';
import type { Session } from './session.js';
import { createStage } from './session.test-support.js';

describe('first frames', () => {
  it('sent all at once are answered in their order', () => {
    const stage = createStage();
    stage.identities.set('good', {});
    const [first] = stage.append('property:1', 3) as [string];
    const client = stage.connect();
    client.send({ type: 'AUTHENTICATE', token: 'good', ref: 1 });
    client.send({ type: 'SUBSCRIBE', property_id: '1', after: first, ref: 2 });
    client.send({ type: 'PING', ref: 3 });
    client.send({ type: 'GET_STATUS', ref: 4 });
    // The property is nobody's without a role: nothing has to be waited for.
    expect(client.types()).toEqual(['WELCOME', 'AUTHENTICATED', 'ERROR forbidden', 'PONG', 'STATUS']);
    expect(stage.hub.channels.has('property:1')).toBe(false);
  });

  it('are answered with the replay between SUBSCRIBED and what was asked after it', async () => {
    const stage = createStage();
    await stage.clock.advance(100);
    stage.identities.set('good', { role: 'LANDLORD' });
    const [first] = stage.append('property:1', 3) as [string];
    const client = stage.connect('good');
    client.send({ type: 'SUBSCRIBE', property_id: '1', after: first, ref: 2 });
    client.send({ type: 'PING' });
    client.send({ type: 'GET_STATUS' });
    expect(client.types()).toEqual(['WELCOME', 'AUTHENTICATED']);
    await stage.clock.advance(100);
    expect(client.types()).toEqual(['SUBSCRIBED true', 'EVENT', 'EVENT', 'PONG', 'STATUS']);
  });

  it('before AUTHENTICATE get nothing but the word to send it', () => {
    const client = createStage().connect();
    for (const type of ['SUBSCRIBE', 'UNSUBSCRIBE', 'GET_STATE']) client.send({ type, channel: 'global' });
    client.send({ type: 'PING' });
    expect(client.types()).toEqual(['WELCOME', ...Array(3).fill('ERROR not_authenticated'), 'PONG']);
  });
});

describe('a token', () => {
  it('that is wrong three times ends the connection, and one that came along with it at once', () => {
    const stage = createStage();
    const client = stage.connect();
    for (let n = 0; n < 3; n += 1) client.send({ type: 'AUTHENTICATE', token: 'wrong' });
    expect(client.types()).toEqual(['WELCOME', ...Array(3).fill('ERROR token_invalid')]);
    expect(client.closedWith).toBe(4103);
    expect(stage.connect('wrong').closedWith).toBe(4103);
    stage.identities.set('old', 'token_expired');
    expect(stage.connect('old').closedWith).toBe(4101);
    expect(stage.sessions.count).toBe(0);
  });

  it('has to come in time', async () => {
    const stage = createStage();
    const [silent, talking] = [stage.connect(), stage.connect()];
    await stage.clock.advance(9_000);
    // Frames do not count, a token does.
    talking.send({ type: 'PING' });
    await stage.clock.advance(2_500);
    expect([silent.closedWith, talking.closedWith]).toEqual([4100, 4100]);
  });

  it('is announced to expire, and ends the connection when it does', async () => {
    const stage = createStage();
    const client = await stage.client({ expiresAt: stage.clock.now() / 1000 + 300 });
    const live = async (seconds: number) => {
      for (let n = 0; n < seconds; n += 1) {
        client.send({ type: 'PONG' });
        await stage.clock.advance(1_000);
      }
    };
    await live(238);
    expect(client.types()).not.toContain('TOKEN_EXPIRING');
    await live(4);
    expect(client.types()).toContain('TOKEN_EXPIRING');
    await live(56);
    expect(client.closedWith).toBeUndefined();
    await live(4);
    expect(client.closedWith).toBe(4101);
  });

  it('that is newer puts the end off', async () => {
    const stage = createStage();
    const client = await stage.client({ expiresAt: stage.clock.now() / 1000 + 100 });
    await stage.clock.advance(60_000);
    stage.identities.set('newer', { expiresAt: stage.clock.now() / 1000 + 3_600 });
    client.send({ type: 'AUTHENTICATE', token: 'newer' });
    await stage.clock.advance(60_000);
    expect(client.closedWith).toBeUndefined();
  });

  it('that is revoked behind its check, before its session could be found, lets nobody in', async () => {
    const stage = createStage();
    stage.revoked.add('landlord-7');
    const client = await stage.client();
    expect(client.closedWith).toBe(4102);
    expect(client.session.identity).toBeUndefined();
    expect(client.types()).not.toContain('AUTHENTICATED');
  });

  it('of somebody else is refused, and changes nothing', async () => {
    const stage = createStage();
    const client = await stage.client();
    stage.identities.set('other', { userId: 'landlord-8', role: 'ADMIN' });
    client.send({ type: 'AUTHENTICATE', token: 'other' });
    expect(client.types()).toEqual(['ERROR forbidden']);
    expect(client.session.identity?.userId).toBe('landlord-7');
  });

  it('that allows less takes channels away at once, also those still waited for', async () => {
    const stage = createStage();
    stage.redis.away = true;
    stage.identities.set('manager', { role: 'MANAGER' });
    stage.identities.set('nobody', {});
    const waiting = stage.connect('manager');
    waiting.send({ type: 'AUTHENTICATE', token: 'nobody' });
    expect(waiting.types()).toEqual(['WELCOME', 'AUTHENTICATED', 'AUTHENTICATED', 'UNSUBSCRIBED']);
    stage.redis.away = false;
    const client = await stage.client({ role: 'MANAGER' });
    await stage.clock.advance(10_000);
    client.send({ type: 'SUBSCRIBE', property_ids: ['1', '2'] });
    await stage.clock.advance(100);
    stage.identities.set('less', { role: 'MANAGER', properties: new Set(['2']) });
    client.send({ type: 'AUTHENTICATE', token: 'less' });
    client.take();
    waiting.take();
    stage.append('role:manager');
    stage.append('property:1');
    stage.append('property:2');
    await stage.clock.advance(100);
    expect(waiting.types()).toEqual([]);
    expect(client.take().map(({ channel }) => channel)).toEqual(['role:manager', 'property:2']);
  });

  it('that brings another role joins what it promises', async () => {
    const stage = createStage();
    const client = await stage.client();
    stage.identities.set('promoted', { role: 'MANAGER' });
    client.send({ type: 'AUTHENTICATE', token: 'promoted' });
    expect(client.take()).toMatchObject([{ channels: expect.arrayContaining(['role:manager']) }]);
    await stage.clock.advance(100);
    stage.append('role:manager');
    await stage.clock.advance(100);
    expect(client.types()).toEqual(['EVENT']);
  });

  it('admits a user only so many times', async () => {
    const stage = createStage();
    const clients = [await stage.client(), await stage.client(), await stage.client()];
    const fourth = await stage.client();
    expect(fourth.closedWith).toBe(4203);
    stage.sessions.closed(clients[0]?.session as never);
    expect((await stage.client()).closedWith).toBeUndefined();
  });
});

describe('limits', () => {
  it('a client over its rate is told when to go on, and closed when it does not listen', async () => {
    const stage = createStage();
    const client = await stage.client();
    client.take();
    await stage.clock.advance(1_000);
    for (let n = 0; n < 103; n += 1) client.send({ type: 'PING' });
    const frames = client.take();
    expect(frames.filter(({ type }) => type === 'PONG')).toHaveLength(100);
    expect(frames.at(-1)).toMatchObject({ type: 'ERROR', code: 'rate_limited', retry_after_ms: 100 });
    await stage.clock.advance(1_000);
    client.send({ type: 'PING' });
    expect(client.types()).toContain('PONG');
    for (let n = 0; n < 200; n += 1) client.send({ type: 'PING' });
    expect(client.closedWith).toBe(4202);
  });

  it('a stranger is cut off without a word after twelve frames, and his address told of', async () => {
    const stage = createStage();
    const stranger = stage.connect();
    for (let n = 0; n < 12; n += 1) stranger.send({ type: 'PING' });
    expect(stranger.types()).toEqual(['WELCOME', ...Array(12).fill('PONG')]);
    stranger.send({ type: 'PING' });
    expect([stranger.take(), stranger.destroyed, stage.floods]).toEqual([[], true, ['10.0.0.1']]);
  });

  it.each([
    ['no JSON', (session: Session) => session.receive('{"type":')],
    ['of no known type', (session: Session) => session.receive('{"type":"NO_SUCH_TYPE"}')],
    ['no text', (session: Session) => session.receiveBinary()],
    ['pings of a WebSocket', (session: Session) => session.receivePing()],
  ])('a stranger whose frames are %s is cut off at the fourth', (_, frame) => {
    const stage = createStage();
    const stranger = stage.connect();
    for (let n = 0; n < 3; n += 1) frame(stranger.session);
    expect(stranger.destroyed).toBe(false);
    frame(stranger.session);
    expect([stranger.destroyed, stage.floods]).toEqual([true, ['10.0.0.1']]);
  });

  it('of strangers it is told whether they said who they are, were too late, or left', async () => {
    const stage = createStage();
    stage.identities.set('good', {});
    const known = stage.connect();
    for (let n = 0; n < 2; n += 1) known.send({ type: 'AUTHENTICATE', token: 'good' });
    stage.connect('good');
    stage.sessions.closed(known.session);
    expect(stage.counts).toMatchObject({ known: 1, left: 0 });
    stage.sessions.closed(stage.connect().session);
    expect(stage.counts).toMatchObject({ known: 1, left: 1 });
    stage.connect();
    await stage.clock.advance(12_000);
    expect(stage.counts).toMatchObject({ known: 1, left: 2 });
  });

  it('who has said who it is may send as many odd frames as any others', () => {
    const stage = createStage();
    stage.identities.set('good', {});
    const client = stage.connect();
    for (let n = 0; n < 2; n += 1) client.session.receive('{"type":');
    client.send({ type: 'AUTHENTICATE', token: 'good' });
    for (let n = 0; n < 20; n += 1) client.session.receive('{"type":');
    expect([client.destroyed, stage.floods]).toEqual([false, []]);
  });

  it('a client holds only so many channels, and may ask for one that it has again', async () => {
    const stage = createStage();
    const client = await stage.client({ role: 'ADMIN' });
    client.send({ type: 'SUBSCRIBE', property_ids: Array.from({ length: 12 }, (_, n) => `${n}`) });
    await stage.clock.advance(100);
    const outcomes = client.types();
    const free = 10 - stage.hub.channels.size + outcomes.filter((type) => type === 'SUBSCRIBED').length;
    expect(outcomes.filter((type) => type === 'SUBSCRIBED')).toHaveLength(free);
    expect(outcomes).toContain('ERROR too_many_subscriptions');
    client.send({ type: 'SUBSCRIBE', property_id: '0' });
    await stage.clock.advance(100);
    expect(client.types()).toEqual(['SUBSCRIBED']);
  });

  it('a client that never answers is closed after two and a half heartbeats, one that answers is not', async () => {
    const stage = createStage({ authenticationDeadlineMs: 1e9 });
    const [silent, lively] = [stage.connect(), stage.connect()];
    for (let n = 0; n < 12; n += 1) {
      await stage.clock.advance(10_000);
      if (lively.take().some(({ type }) => type === 'PING')) lively.send({ type: 'PONG' });
    }
    expect(silent.closedWith).toBe(4205);
    expect(lively.closedWith).toBeUndefined();
  });
});

describe('a clock that is set', () => {
  /** Whose clock a test can set; what is due comes when it was to come. */
  function createStageWithClock() {
    let setMs = 0;
    let { now } = createVirtualClock();
    const stage = createStage({ authenticationDeadlineMs: 1e9, steadyMs: () => now() });
    now = stage.clock.now;
    const steady = now;
    Object.assign(stage.clock, { now: () => steady() + setMs });
    return {
      ...stage,
      set: (ms: number) => {
        setMs = ms;
      },
    };
  }

  it.each([
    ['forward', 300_000],
    ['back', -300_000],
  ])('%s by five minutes closes nobody who answers, and refuses nothing', async (_, setMs) => {
    const stage = createStageWithClock();
    const client = await stage.client({ role: 'ADMIN' });
    for (let n = 0; n < 30; n += 1) {
      await stage.clock.advance(4_900);
      if (n === 5) {
        client.send({ type: 'PING' });
        stage.set(setMs);
        // Before anything has noticed.
        client.send({ type: 'PING' });
      }
      const types = client.take().map(({ type, code }) => code ?? type);
      if (types.includes('PING')) client.send({ type: 'PONG' });
      for (let burst = 0; burst < 20; burst += 1) client.send({ type: 'PING' });
      expect(types).not.toContain('rate_limited');
    }
    expect(client.closedWith).toBeUndefined();
  });

  it('does not keep a client that went silent behind it', async () => {
    const stage = createStageWithClock();
    const client = await stage.client();
    stage.set(-300_000);
    for (let n = 0; n < 12; n += 1) await stage.clock.advance(10_000);
    expect(client.closedWith).toBe(4205);
  });
});

describe('a client that is too slow', () => {
  it('gets nothing more from the first drop on, is closed with 4201, and only after the present turn', async () => {
    const stage = createStage();
    const client = await stage.client({ role: 'ADMIN' });
    client.send({ type: 'SUBSCRIBE', property_id: '1' });
    await stage.clock.advance(100);
    client.take();
    client.choke(2);
    stage.append('property:1', 5);
    expect(client.closedWith).toBeUndefined();
    await stage.clock.advance(0);
    client.choke(100);
    stage.append('property:1', 5);
    await stage.clock.advance(100);
    expect(client.take()).toHaveLength(2);
    expect(client.closedWith).toBe(4201);
    expect(stage.sessions.count).toBe(0);
  });

  it('is found when bytes wait for it all the time, however few', async () => {
    const stage = createStage();
    const [slow, fast] = [await stage.client(), await stage.client()];
    slow.buffered = 1;
    for (let n = 0; n < 20; n += 1) {
      fast.buffered = n % 3;
      await stage.clock.advance(1_000);
    }
    expect(slow.closedWith).toBe(4201);
    expect(fast.closedWith).toBeUndefined();
  });
});

describe('a session that has come to its end', () => {
  /** Waits for one channel, and has sent more behind it. */
  async function waiting(behind: readonly object[]) {
    const stage = createStage();
    const client = await stage.client({ role: 'ADMIN' });
    stage.redis.away = true;
    stage.bus.cut('gateway');
    await stage.clock.advance(100);
    client.send({ type: 'SUBSCRIBE', property_id: '1' });
    for (const frame of behind) client.send(frame);
    const back = async () => {
      stage.redis.away = false;
      await stage.clock.advance(10_000);
    };
    return { stage, client, back };
  }

  it('for being too slow does nothing of what was sent behind, and nothing of it is left', async () => {
    const { stage, client, back } = await waiting([{ type: 'SUBSCRIBE', property_id: '2' }, { type: 'PING' }]);
    client.session.poison();
    await stage.clock.advance(10);
    expect(client.closedWith).toBe(4201);
    await back();
    expect(client.types()).toEqual([]);
    expect([...stage.hub.channels.keys()]).toEqual([]);
  });

  it('for wrong tokens does nothing of what was sent behind them', async () => {
    const wrong = { type: 'AUTHENTICATE', token: 'wrong' };
    const { client, back, stage } = await waiting([wrong, wrong, wrong, { type: 'SUBSCRIBE', property_id: '2' }]);
    await stage.clock.advance(2_500);
    expect(client.closedWith).toBe(4103);
    await back();
    expect([...stage.hub.channels.keys()]).toEqual([]);
  });
});

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

it('boards are joined one after the other by a client that has yet to read, however long it takes', async () => {
  const stage = createStage();
  const client = await stage.client({ role: 'ADMIN' });
  client.buffered = 1e6;
  client.send({ type: 'SUBSCRIBE', channels: ['state:a', 'state:b'], ref: 'r' });
  client.send({ type: 'PING' });
  await stage.clock.advance(10_000);
  expect(client.types()).toEqual([]);
  client.buffered = 0;
  client.session.drained();
  expect(client.types()).toEqual(['SUBSCRIBED false', 'STATE', 'SUBSCRIBED false', 'STATE', 'PONG']);
});

it('GET_STATE is one reading of the log, however many ask at once', async () => {
  const stage = createStage();
  stage.append('property:1', 2, 'HPD');
  const clients = await Promise.all([stage.client({ role: 'ADMIN' }), stage.client({ role: 'ADMIN' })]);
  stage.counts.reads = 0;
  for (const client of clients) client.send({ type: 'GET_STATE', property_id: '1', ref: 'r' });
  await stage.clock.advance(10);
  expect(stage.counts.reads).toBe(1);
  for (const client of clients) expect(client.take()).toMatchObject([{ type: 'STATE', ref: 'r', events: [{ n: 2 }] }]);
});

const offsetOf = (id: unknown): number => Number(String(id).split('-')[1]);
