import { type AppendRequest, ChannelBroken, LogUnavailable, type LogWriter } from '@belfry/shared/log';
import { describe, expect, it } from 'vitest';
import { createBatchApply, type ShareWork } from './batch.js';
import { Fenced, Stopped } from './channel-apply.js';

const BOARD = 'state:tasks';

/** One entry for a property and a board; applying it to the board fails. */
function start(failure: Error) {
  const appended: AppendRequest[] = [];
  const log: LogWriter = {
    facts: async () => ({ applied: '0-0', values: [], seen: [] }),
    applied: async () => new Map(),
    async append(request) {
      appended.push(request);
      return { status: 'ok', epochChanged: false, results: request.entries.map(() => ['1-0']) };
    },
  };
  const apply = createBatchApply({
    log,
    lane: 0,
    generations: [],
    persist: (call) => call(),
    onAppended: () => undefined,
    async applyToChannel(channel, works) {
      if (channel === BOARD) throw failure;
      return works.map(({ id }) => ({ id, bodies: [`{"channel":"${channel}","type":"note"}`] }));
    },
  });
  const items = ['property:1', BOARD].map((channel) => ({
    kind: 'event' as const,
    channel,
    event: { channel, type: 'note' },
  }));
  const work: ShareWork = { id: '1-1', entry: { id: '1-1', fields: [] }, weight: 1, key: undefined, items };
  return { apply, work, appended };
}

describe('an entry of which one channel’s part fails', () => {
  it('is refused, and what the others took comes on global', async () => {
    const { appended, apply, work } = start(new RangeError('too long'));
    expect(await apply([work], 'failing')).toEqual(new Map([['1-1', 'too long']]));
    expect(appended).toMatchObject([{ channel: 'global', entries: [{ intakeId: '1-1', events: [{}] }] }]);
  });

  it('is left to be tried by itself where it is one of several, unless the channel is broken', async () => {
    const failing = start(new RangeError('too long'));
    await expect(failing.apply([failing.work], 'broken')).rejects.toThrow('too long');
    expect(failing.appended).toEqual([]);
    const broken = start(new ChannelBroken('not a stream'));
    expect(await broken.apply([broken.work], 'broken')).toEqual(new Map([['1-1', 'not a stream']]));
    expect(broken.appended).toHaveLength(1);
  });

  it.each([new Fenced('0123456789ab'), new Stopped('stopped'), new LogUnavailable('away')])(
    'is not refused for what says nothing of it: %s',
    async (failure) => {
      const { appended, apply, work } = start(failure);
      await expect(apply([work], 'failing')).rejects.toBe(failure);
      expect(appended).toEqual([]);
    },
  );
});
