import { describe, expect, it } from 'vitest';
import { createStage } from './session.test-support.js';

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
