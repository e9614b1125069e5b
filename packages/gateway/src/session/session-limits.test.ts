import { createVirtualClock } from '@belfry/shared/log/memory';
import { describe, expect, it } from 'vitest';
import type { Session } from './session.js';
import { createStage } from './session.test-support.js';

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
