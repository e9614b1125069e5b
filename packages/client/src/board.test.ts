import { describe, expect, it } from 'vitest';
import { type BoardView, followBoard } from './board.js';
import { settled } from './fake-clock.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';

const BOARD = 'state:tasks';

const update = (id: string, key: string, form: object) => ({
  id,
  type: 'STATE_UPDATE',
  channel: BOARD,
  key,
  timestamp: 0,
  ...form,
});

/** A client that follows the board, joined at 7-4 with one document. */
async function follow(): Promise<{
  rig: Rig;
  shown: string[];
  errors: string[];
  leave: () => void;
}> {
  const rig = createRig();
  const shown: string[] = [];
  const errors: string[] = [];
  const leave = followBoard(rig.client, BOARD, {
    onChange: (items: BoardView['items']) =>
      shown.push(JSON.stringify([...items].map(([key, { document }]) => [key, document]))),
    onError: ({ code }) => errors.push(code),
  });
  await rig.login();
  join(rig, '7-4', [update('7-2', 'budget', { document: { spent: 1 } })]);
  return { rig, shown, errors, leave };
}

function join(rig: Rig, id: string, events: readonly object[]): void {
  const [asked] = rig.asked() as { ref: string }[];
  const { socket } = rig.network;
  socket.frame({ type: 'SUBSCRIBED', channel: BOARD, id, recovered: false, replay: 0, ref: asked?.ref });
  socket.frame({ type: 'STATE', channel: BOARD, id, events });
}

const last = (shown: readonly string[]) => JSON.parse(shown.at(-1) ?? 'null');

describe('a board', () => {
  it('is shown as it is, then as documents and patches change it, whatever positions skip', async () => {
    const { rig, shown } = await follow();
    expect(last(shown)).toEqual([['budget', { spent: 1 }]]);
    const gaps: unknown[] = [];
    rig.client.on('gap', (gap) => gaps.push(gap));
    rig.network.socket.frame(update('7-9', 'budget', { base: '7-2', patch: { spent: 2 } }));
    rig.network.socket.frame(update('7-7', 'task-17', { document: { title: 'boiler' } }));
    rig.network.socket.frame(update('7-30', 'task-17', { removed: true }));
    expect(shown.map((line) => JSON.parse(line)).slice(1)).toEqual([
      [['budget', { spent: 2 }]],
      [
        ['budget', { spent: 2 }],
        ['task-17', { title: 'boiler' }],
      ],
      [['budget', { spent: 2 }]],
    ]);
    expect(gaps).toEqual([]);
    expect(rig.asked()).toEqual([]);
  });

  it('is asked for once where a patch does not fit, and fits again', async () => {
    const { rig, shown } = await follow();
    rig.network.socket.frame(update('7-8', 'budget', { base: '7-6', patch: { spent: 3 } }));
    rig.network.socket.frame(update('7-9', 'budget', { base: '7-8', patch: { spent: 4 } }));
    await settled();
    const asked = rig.asked() as { type: string; ref: string }[];
    expect(asked).toMatchObject([{ type: 'GET_STATE', channel: BOARD }]);
    rig.network.socket.frame({
      type: 'STATE',
      channel: BOARD,
      id: '7-9',
      ref: asked[0]?.ref,
      events: [update('7-9', 'budget', { document: { spent: 4 } })],
    });
    await settled();
    rig.network.socket.frame(update('7-10', 'budget', { base: '7-9', patch: { spent: 5 } }));
    expect(last(shown)).toEqual([['budget', { spent: 5 }]]);
  });

  it('is replaced by its state after a reconnect: what was removed meanwhile is gone', async () => {
    const { rig, shown } = await follow();
    rig.network.socket.drop(1006);
    await rig.reconnect();
    join(rig, '7-20', [update('7-19', 'audit', { document: { findings: 3 } })]);
    expect(last(shown)).toEqual([['audit', { findings: 3 }]]);
    // Sent before that state, and overtaken by it.
    rig.network.socket.frame(update('7-18', 'budget', { document: { spent: 9 } }));
    expect(last(shown)).toEqual([['audit', { findings: 3 }]]);
  });

  it('that another tab has started anew is taken as it comes: nothing in between is missed', async () => {
    const { rig, shown } = await follow();
    const state = (id: string, spent: number) => ({
      type: 'STATE',
      channel: BOARD,
      id,
      events: [update(id, 'budget', { document: { spent } })],
    });
    rig.network.socket.frame({ ...state('7-6', 6) });
    expect(last(shown)).toEqual([['budget', { spent: 6 }]]);
    rig.network.socket.frame({ ...state('7-3', 3) });
    expect(last(shown)).toEqual([['budget', { spent: 6 }]]);
    expect(rig.asked()).toEqual([]);
  });

  it('that is refused is told, and one that was left says nothing more', async () => {
    const { rig, shown, errors, leave } = await follow();
    rig.network.socket.frame({ type: 'UNSUBSCRIBED', channel: BOARD, reason: 'forbidden' });
    expect(errors).toEqual(['unsubscribed']);
    leave();
    const before = shown.length;
    rig.network.socket.frame(update('7-9', 'budget', { document: { spent: 9 } }));
    expect(shown).toHaveLength(before);
  });
});
