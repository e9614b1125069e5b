import { describe, expect, it } from 'vitest';
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
