import type { ClientMessage } from '@belfry/shared/protocol';
import { describe, expect, it } from 'vitest';
import { createFakeClock, settled } from './fake-clock.test-support.js';
import { createOutbox } from './outbox.js';

function createRig() {
  const clock = createFakeClock();
  const queue: ClientMessage[] = [];
  const sent: ClientMessage[] = [];
  const outbox = createOutbox(clock, () => queue.shift());
  const fill = (count: number) => {
    for (let index = 0; index < count; index++) queue.push({ type: 'GET_STATUS', ref: index });
    outbox.poke();
  };
  return { clock, queue, sent, outbox, fill, send: (message: ClientMessage) => void sent.push(message) };
}

describe('the outbox', () => {
  it('sends nothing before there is a connection, and everything then', async () => {
    const { outbox, fill, sent, send } = createRig();
    fill(3);
    await settled();
    expect(sent).toHaveLength(0);
    outbox.attach(send);
    await settled();
    expect(sent).toHaveLength(3);
  });

  it('waits for the end of the turn, so that what is asked together goes together', async () => {
    const { outbox, fill, sent, send } = createRig();
    outbox.attach(send);
    fill(1);
    expect(sent).toHaveLength(0);
    await settled();
    expect(sent).toHaveLength(1);
  });

  it('never sends more than 80 messages in any minute, and the rest as soon as it may', async () => {
    const { clock, outbox, fill, sent, send } = createRig();
    outbox.attach(send);
    fill(50);
    await clock.advance(30_000);
    fill(150);
    await clock.advance(0);
    expect(sent).toHaveLength(80);
    await clock.advance(29_999);
    expect(sent).toHaveLength(80);
    await clock.advance(1);
    expect(sent).toHaveLength(130);
    await clock.advance(30_000);
    expect(sent).toHaveLength(160);
    await clock.advance(30_000);
    expect(sent).toHaveLength(200);
  });

  it('goes on when the clock is set back', async () => {
    const { clock, outbox, fill, sent, send } = createRig();
    outbox.attach(send);
    fill(100);
    await clock.advance(0);
    clock.set(clock.now() - 3_600_000);
    outbox.poke();
    await clock.advance(0);
    expect(sent).toHaveLength(100);
  });

  it('counts anew on a new connection, for the limit is the connection’s', async () => {
    const { clock, outbox, fill, sent, send } = createRig();
    outbox.attach(send);
    fill(100);
    await clock.advance(0);
    expect(sent).toHaveLength(80);
    outbox.detach();
    outbox.attach(send);
    await clock.advance(0);
    expect(sent).toHaveLength(100);
  });

  it('sends nothing after it was detached, and leaves no timer behind', async () => {
    const { clock, outbox, fill, sent, send } = createRig();
    outbox.attach(send);
    fill(100);
    await clock.advance(0);
    outbox.detach();
    expect(clock.waiting).toEqual([]);
    fill(1);
    await clock.advance(120_000);
    expect(sent).toHaveLength(80);
  });
});
