import { describe, expect, it } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';

const lastRef = (rig: Rig) => (rig.network.socket.sent.at(-1) as { ref?: string } | undefined)?.ref;

describe('a command', () => {
  it('made offline connects, is sent then, and answered', async () => {
    const rig = createRig();
    const answer = rig.client.getState('1000010001');
    await rig.login();
    expect(rig.asked()).toMatchObject([{ type: 'GET_STATE', channel: 'property:1000010001' }]);
    rig.network.socket.frame({
      type: 'STATE',
      channel: 'property:1000010001',
      id: '7-1',
      events: [],
      ref: lastRef(rig),
    });
    expect(await answer).toMatchObject({ channel: 'property:1000010001', id: '7-1', events: [] });
  });

  it('is matched to its answer by its reference, in whatever order answers come', async () => {
    const rig = createRig();
    await rig.login();
    const one = rig.client.getStatus();
    const two = rig.client.getStatus();
    await settled();
    const [first, second] = rig.asked() as { ref: string }[];
    rig.network.socket.frame({ type: 'STATUS', node: 'b', ref: second?.ref });
    rig.network.socket.frame({ type: 'STATUS', node: 'a', ref: first?.ref });
    expect((await one).node).toBe('a');
    expect((await two).node).toBe('b');
  });

  it('whose connection is lost before the answer is asked again on the next one', async () => {
    const rig = createRig();
    await rig.login();
    const answer = rig.client.getStatus();
    await settled();
    rig.network.socket.drop(1006);
    await rig.reconnect();
    expect(rig.asked()).toMatchObject([{ type: 'GET_STATUS' }]);
    rig.network.socket.frame({ type: 'STATUS', node: 'b', ref: lastRef(rig) });
    expect((await answer).node).toBe('b');
  });

  it('that is refused rejects with the gateway’s code', async () => {
    const rig = createRig();
    await rig.login();
    const answer = rig.client.getState('global');
    await settled();
    rig.network.socket.frame({ type: 'ERROR', code: 'forbidden', message: 'no', channel: 'global', ref: lastRef(rig) });
    await expect(answer).rejects.toMatchObject({ name: 'BelfryError', code: 'forbidden', channel: 'global' });
    expect(rig.errors).toEqual([]);
  });

  it('waits no longer than its signal says', async () => {
    const rig = createRig();
    const controller = new AbortController();
    const answer = rig.client.getStatus({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(answer).rejects.toThrow('enough');
    await rig.login();
    expect(rig.asked()).toEqual([]);
    await expect(rig.client.getStatus({ signal: controller.signal })).rejects.toThrow('enough');
  });

  it('rejects when the client is closed, and while it is', async () => {
    const rig = createRig();
    await rig.login();
    const answer = rig.client.getStatus();
    rig.client.close();
    await expect(answer).rejects.toMatchObject({ code: 'closed' });
    await expect(rig.client.getStatus()).rejects.toMatchObject({ code: 'closed' });
  });

  it('for a channel outside the grammar rejects without being sent', async () => {
    const rig = createRig();
    await rig.login();
    await expect(rig.client.getState('no such thing')).rejects.toThrow(TypeError);
    expect(rig.asked()).toEqual([]);
  });

  it('ping measures the round trip', async () => {
    const rig = createRig();
    await rig.login();
    const answer = rig.client.ping();
    await rig.clock.advance(12);
    rig.network.socket.frame({ type: 'PONG', ref: lastRef(rig) });
    expect(await answer).toBe(12);
  });
});
