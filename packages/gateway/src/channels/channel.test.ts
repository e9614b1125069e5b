import type { Position } from '@belfry/shared/protocol';
import { describe, expect, it } from 'vitest';
import { createStage, type Follower, shown } from './channel.test-support.js';

const last = (positions: readonly Position[]): Position => positions.at(-1) as Position;
const first = (positions: readonly Position[]): Position => positions[0] as Position;

describe('joining', () => {
  it('a client that joins during a publish misses nothing and sees nothing twice', async () => {
    const stage = createStage();
    const seen = stage.append(2);
    await stage.open();
    stage.arrive();
    const published = stage.append(3);
    stage.arrive(1);
    const client = stage.join({ after: last(seen) });
    // The first of the three is its replay, the second and third follow live, though all were published before it came.
    stage.arrive();
    expect(client.got).toEqual([
      `SUBSCRIBED ${stage.short(first(published))} recovered +1`,
      ...shown(stage, published),
    ]);
  });

  it('a client that joins while the channel is being opened gets what arrives meanwhile, once', async () => {
    const stage = createStage();
    const [before] = stage.append(1) as [Position];
    stage.channel.open();
    const client = stage.join({ after: before });
    const during = stage.append(2);
    stage.arrive();
    const fresh = stage.join();
    expect(client.got).toEqual([]);
    await stage.answer();
    // The reading was asked for before this client came: it brought neither history nor what could replace it.
    await stage.answer();
    const after = stage.append(1);
    stage.arrive();
    expect(client.got.filter((frame) => frame.startsWith('event'))).toEqual(shown(stage, [...during, ...after]));
    expect(fresh.got).toEqual([`SUBSCRIBED ${stage.short(last(during))} +0`, ...shown(stage, after)]);
  });

  it('is answered from the tail at once, without a reading, wherever the tail reaches', async () => {
    const stage = createStage();
    await stage.open();
    const events = stage.append(5);
    stage.arrive();
    for (let n = 0; n < 5; n += 1) {
      const client = stage.join({ after: events[n] });
      expect(client.got).toEqual([
        `SUBSCRIBED ${stage.short(last(events))} recovered +${4 - n}`,
        ...shown(stage, events.slice(n + 1)),
      ]);
    }
    expect(stage.join({ rewind: 2 }).got.slice(1)).toEqual(shown(stage, events.slice(3)));
    expect(stage.join().got).toEqual([`SUBSCRIBED ${stage.short(last(events))} +0`]);
    expect(stage.reads).toHaveLength(0);
  });

  it('one reading at a time, also where hearing of one makes the next one necessary', async () => {
    const stage = createStage({ tailEvents: 2 });
    const events = stage.append(20);
    stage.arrive();
    await stage.open();
    const one = stage.join({ after: events[10] });
    // In the very turn in which the reading ends: a moment later it must not be taken for not under way.
    let next: Follower | undefined;
    const { onJoined } = one.request;
    Object.assign(one.request, {
      onJoined: (...joined: Parameters<typeof onJoined>) => {
        onJoined(...joined);
        queueMicrotask(() => {
          stage.append(30);
          stage.arrive();
          next = stage.join({ after: events[1] });
        });
      },
    });
    await stage.answer();
    expect(one.joined).toBe(true);
    expect(stage.reads).toHaveLength(2);
    const third = stage.join({ after: events[2] });
    expect(stage.reads).toHaveLength(2);
    while (stage.pending()) await stage.answer();
    expect([next?.joined, third.joined]).toEqual([true, true]);
  });

  it('who gives up waiting does not take the doubt of the link along', async () => {
    const stage = createStage({ tailEvents: 1 });
    const events = stage.append(5);
    stage.arrive();
    await stage.open();
    const follower = stage.join();
    const waiting = stage.join({ after: first(events) });
    const missed = stage.append(1);
    stage.lose(1);
    // The link was away, and is whole again while a reading for somebody who joins is still under way.
    stage.channel.check(last(missed));
    await stage.answer(new Error('Redis is away'));
    stage.channel.withdraw(waiting.request, false);
    await stage.clock.advance(5_000);
    while (stage.pending()) await stage.answer();
    expect(follower.got.slice(1)).toEqual(shown(stage, missed));
  });

  it('10,000 joiners behind the tail cost one reading of the log', async () => {
    const stage = createStage({ tailEvents: 2 });
    const events = stage.append(20);
    stage.arrive();
    await stage.open();
    const clients = Array.from({ length: 10_000 }, (_, n) => stage.join({ after: events[n % 15] }));
    expect(stage.reads).toHaveLength(1);
    await stage.answer();
    expect(stage.reads).toHaveLength(1);
    expect(clients.every(({ joined }) => joined)).toBe(true);
    expect(clients[3]?.got).toEqual([
      `SUBSCRIBED ${stage.short(last(events))} recovered +16`,
      ...shown(stage, events.slice(4)),
    ]);
  });

  it('behind what the log has trimmed gets no part of it, but the state', async () => {
    const stage = createStage({ maxEvents: 3 });
    const [trimmed] = stage.append(1, 'HPD') as [Position];
    const events = stage.append(4, 'HPD');
    await stage.open();
    stage.wire.length = 0;
    const client = stage.join({ after: trimmed });
    await stage.answer();
    const id = stage.short(last(events));
    expect(client.got).toEqual([`SUBSCRIBED ${id} not recovered +0`, `STATE ${id} (1)`]);
    const live = stage.append(1);
    stage.arrive();
    expect(client.got.slice(2)).toEqual(shown(stage, live));
  });

  it('with a position from the future gets the state', async () => {
    const stage = createStage();
    const [event] = stage.append(1, 'HPD') as [Position];
    await stage.open();
    const client = stage.join({ after: { ...event, offset: event.offset + 5 } });
    await stage.answer();
    await stage.answer();
    const id = stage.short(event);
    expect(client.got).toEqual([`SUBSCRIBED ${id} not recovered +0`, `STATE ${id} (1)`]);
  });

  it('rewinds by as many events as there are, over the end of the tail', async () => {
    const stage = createStage({ tailEvents: 2 });
    const events = stage.append(6);
    await stage.open();
    stage.wire.length = 0;
    const [five, fifty] = [stage.join({ rewind: 5 }), stage.join({ rewind: 50 })];
    await stage.answer();
    expect(five.got.slice(1)).toEqual(shown(stage, events.slice(1)));
    expect(fifty.got).toEqual([`SUBSCRIBED ${stage.short(last(events))} recovered +6`, ...shown(stage, events)]);
  });

  it('waits while the log does not answer, and can be taken back', async () => {
    const stage = createStage();
    const events = stage.append(1);
    await stage.open();
    const [stays, gives] = [stage.join({ rewind: 1 }), stage.join({ rewind: 1 })];
    await stage.answer(new Error('away'));
    expect(stage.channel.withdraw(gives.request, false)).toBe(true);
    await stage.clock.advance(3_000);
    await stage.answer();
    expect(stays.got.slice(1)).toEqual(shown(stage, events));
    expect(gives.got).toEqual([]);
    expect(stage.channel.withdraw(stays.request, false)).toBe(false);
  });

  it('in the very turn in which a reading ends is read for, not forgotten', async () => {
    const stage = createStage();
    const events = stage.append(3);
    await stage.open();
    stage.wire.length = 0;
    const early = stage.join({ after: first(events) });
    const reading = stage.answer();
    let late: Follower | undefined;
    for (let turn = 0; turn < 8; turn += 1) {
      await Promise.resolve();
      // The first turn after the reading was settled: promises that hang on its end are not settled yet.
      if (early.joined) late ??= stage.join({ rewind: 50 });
    }
    await reading;
    expect(stage.reads).toHaveLength(2);
    await stage.answer();
    expect(late?.got).toHaveLength(4);
  });
});

describe('order', () => {
  it('an event that is missing is fetched before the next one is shown', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    const events = stage.append(4);
    stage.arrive(1);
    stage.lose(1);
    stage.arrive();
    expect(client.got.slice(1)).toEqual(shown(stage, events.slice(0, 1)));
    await stage.answer();
    expect(client.got.slice(1)).toEqual(shown(stage, events));
    expect(stage.repairs).toEqual(['hole: continued']);
  });

  it('what comes again, or late, is not shown again', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    const events = stage.append(2);
    const again = stage.wire.map((frame) => Buffer.from(frame));
    stage.arrive();
    stage.wire.push(...again.reverse());
    stage.arrive();
    expect(client.got.slice(1)).toEqual(shown(stage, events));
    expect(stage.reads).toHaveLength(0);
  });

  it('a new epoch that lost nothing goes on without a word', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    const before = stage.append(2);
    stage.arrive();
    stage.store.restart();
    await stage.clock.advance(10);
    const after = stage.append(2);
    stage.arrive();
    await stage.answer();
    expect(client.got.slice(1)).toEqual(shown(stage, [...before, ...after]));
    expect(stage.repairs).toEqual(['epoch: continued']);
  });

  it('a failover that lost what was shown is told to all, with the state that is left', async () => {
    const stage = createStage();
    const kept = stage.append(1, 'HPD');
    await stage.open();
    stage.arrive();
    const client = stage.join();
    const lost = stage.append(2, 'HPD');
    stage.arrive();
    stage.store.restart(1);
    await stage.clock.advance(10);
    const after = stage.append(2, 'HPD');
    stage.arrive();
    await stage.answer();
    const id = stage.short(last(after));
    expect(client.got.slice(1)).toEqual([...shown(stage, lost), `RESYNC ${id}`, `STATE ${id} (1)`]);
    expect(stage.repairs).toEqual(['epoch: resynced']);
    const live = stage.append(1);
    stage.arrive();
    expect(client.got.slice(-1)).toEqual(shown(stage, live));
    // The log still has what one knows who did not see what was lost: no reason to begin anew.
    const behind = stage.join({ after: first(kept) });
    expect(behind.got).toEqual([
      `SUBSCRIBED ${stage.short(last(live))} recovered +3`,
      ...shown(stage, [...after, ...live]),
    ]);
  });

  it('a loss is found by a check when nothing follows it', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    stage.append(2, 'HPD');
    stage.arrive();
    stage.store.restart(1);
    const [end] = [stage.store.position('property:1012650001')];
    stage.channel.check(end);
    await stage.answer();
    expect(client.got.slice(3)).toEqual([expect.stringMatching(/^RESYNC/), expect.stringMatching(/^STATE/)]);
  });

  it('a check that finds what is known does not read', async () => {
    const stage = createStage();
    await stage.open();
    stage.append(2);
    stage.arrive();
    stage.channel.check(stage.channel.position);
    expect(stage.reads).toHaveLength(0);
    expect(stage.channel.state).toBe('live');
  });

  it('a link that was down while the channel was being opened makes it read again', async () => {
    const stage = createStage();
    stage.channel.open();
    stage.channel.check(undefined);
    const client = stage.join();
    // Published behind the reading's back, and lost with the link.
    const reading = stage.answer();
    const events = stage.append(1);
    stage.lose(1);
    await reading;
    expect(client.got).toEqual([]);
    await stage.answer();
    expect(client.got).toEqual([`SUBSCRIBED ${stage.short(last(events))} +0`]);
  });

  it('what arrives behind the answer to a reading follows it at once', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    const hole = stage.append(2);
    stage.lose(1);
    stage.arrive();
    // The answer is made, and on its way; what is published now is not in it.
    const reading = stage.answer();
    const later = stage.append(2);
    stage.arrive();
    await reading;
    expect(client.got.slice(1)).toEqual(shown(stage, [...hole, ...later]));
    expect(stage.reads).toHaveLength(1);
  });

  it('a check during a reading is not forgotten: the answer may have been made before the loss', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    const hole = stage.append(2);
    stage.lose(1);
    stage.arrive();
    const reading = stage.answer();
    const missed = stage.append(1);
    stage.lose(1);
    stage.channel.check(last(missed));
    await reading;
    await stage.answer();
    expect(client.got.slice(1)).toEqual(shown(stage, [...hole, ...missed]));
  });

  it('what was held and then lost by Redis is neither shown nor waited for', async () => {
    const stage = createStage();
    const kept = stage.append(1);
    await stage.open();
    stage.wire.length = 0;
    const client = stage.join();
    const lost = stage.append(2);
    stage.lose(1);
    stage.arrive();
    // Held, behind a hole; and by the time the log is read it has neither.
    stage.store.restart(1);
    await stage.answer();
    expect(stage.channel.state).toBe('live');
    expect(stage.reads).toHaveLength(1);
    expect(stage.channel.position).toEqual(last(kept));
    expect(client.got).toHaveLength(1);
    expect(lost).toHaveLength(2);
  });

  it('more live events than can be held are found in the log', async () => {
    const stage = createStage({ maxHeld: 3 });
    await stage.open();
    const client = stage.join();
    const events = stage.append(1);
    stage.append(1);
    stage.lose(2);
    const held = stage.append(10);
    stage.arrive(2);
    // The log answers with what it holds now; what is held and dropped afterwards is behind that.
    const reading = stage.answer();
    const later = stage.append(5);
    stage.arrive();
    await reading;
    while (stage.channel.state !== 'live') await stage.answer();
    expect(client.got.slice(1)).toHaveLength(17);
    expect(client.got.slice(-1)).toEqual(shown(stage, later.slice(-1)));
    expect([events.length, held.length]).toEqual([1, 10]);
  });

  it('an event of an epoch that is over is passed over', async () => {
    const stage = createStage();
    await stage.open();
    const client = stage.join();
    stage.append(1);
    const straggler = Buffer.from(stage.wire[0] as Buffer);
    stage.arrive();
    stage.store.restart();
    await stage.clock.advance(10);
    stage.append(1);
    stage.arrive();
    await stage.answer();
    stage.wire.push(straggler);
    stage.arrive();
    expect(client.got).toHaveLength(3);
    expect(stage.channel.state).toBe('live');
  });
});

describe('memory', () => {
  it('with no room for tails everything still comes, from the log', async () => {
    const stage = createStage({ tailBytes: 0 });
    const events = stage.append(3);
    await stage.open();
    stage.arrive();
    const client = stage.join({ after: first(events) });
    await stage.answer();
    const live = stage.append(2);
    stage.arrive();
    expect(client.got.slice(1)).toEqual(shown(stage, [...events.slice(1), ...live]));
  });

  it('joins a busy channel though its tail is taken away with every event', async () => {
    const stage = createStage({ tailBytes: 0 });
    const events = stage.append(3);
    await stage.open();
    stage.arrive();
    const client = stage.join({ after: first(events) });
    // By the time the answer is there, the channel has gone on.
    const reading = stage.answer();
    stage.append(1);
    stage.arrive();
    await reading;
    expect(client.joined).toBe(true);
  });
});
