import { describe, expect, it } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRig } from './rig.test-support.js';

function createPage() {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  return {
    page: { window, document },
    fire: (type: string) => {
      const target = ['visibilitychange', 'freeze', 'resume'].includes(type) ? document : window;
      target.dispatchEvent(new Event(type));
    },
    show(visible: boolean) {
      document.visibilityState = visible ? 'visible' : 'hidden';
      document.dispatchEvent(new Event('visibilitychange'));
    },
  };
}

describe('a page', () => {
  it.each(['offline', 'online', 'focus'])(
    'that hears %s asks for a sign of life, and believes the gateway only',
    async (type) => {
      const { page, fire } = createPage();
      const { client, clock, network, login } = createRig({ page });
      await login();
      await clock.advance(5_000);
      network.socket.take();
      fire(type);
      expect(network.socket.take()).toEqual([{ type: 'PING' }]);
      expect(client.state.status).toBe('connected');
      network.socket.frame({ type: 'PONG' });
      await clock.advance(10_000);
      expect(client.state.status).toBe('connected');
      fire(type);
      await clock.advance(5_000);
      expect(client.state.status).toBe('reconnecting');
    },
  );

  it('that is shown again asks too, but not right after a frame', async () => {
    const { page, show } = createPage();
    const { clock, network, login } = createRig({ page });
    await login();
    network.socket.take();
    show(false);
    show(true);
    expect(network.socket.take()).toEqual([]);
    await clock.advance(5_000);
    show(true);
    expect(network.socket.take()).toEqual([{ type: 'PING' }]);
  });

  it.each(['online', 'focus'])('that hears %s while waiting tries within half a second', async (type) => {
    const { page, fire } = createPage();
    const { clock, network, login } = createRig({ page });
    await login();
    network.socket.drop(1006);
    fire(type);
    fire(type);
    await clock.advance(500);
    expect(network.sockets).toHaveLength(2);
    await clock.advance(3_000);
    expect(network.sockets).toHaveLength(2);
  });

  it('that hears online keeps a delay that the server asked for', async () => {
    const { page, fire } = createPage();
    const { clock, network, login } = createRig({ page });
    await login();
    network.socket.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 9_000 });
    network.socket.drop(4200);
    fire('online');
    await clock.advance(8_999);
    expect(network.sockets).toHaveLength(1);
  });

  it.each([
    ['pagehide', 'pageshow'],
    ['freeze', 'resume'],
  ])('lets go of its connection on %s, and comes back on %s behind its last event', async (leaving, returning) => {
    const { page, fire } = createPage();
    const { client, clock, network, login, asked } = createRig({ page });
    client.subscribe('1000010001', {});
    await login();
    const [join] = asked();
    network.socket.frame({
      type: 'SUBSCRIBED',
      channel: 'property:1000010001',
      id: '7-4',
      replay: 0,
      ref: (join as { ref: string }).ref,
    });
    fire(leaving);
    expect(network.socket.closed).toBe(true);
    expect(client.state.status).toBe('reconnecting');
    await clock.advance(3_600_000);
    expect(network.sockets).toHaveLength(1);
    fire(returning);
    await settled();
    network.socket.welcome();
    await settled();
    expect(asked()).toMatchObject([{ type: 'SUBSCRIBE', after: { 'property:1000010001': '7-4' } }]);
  });

  it('that is suspended does not wake before it is shown', async () => {
    const { page, fire } = createPage();
    const { client, clock, network, login } = createRig({ page });
    await login();
    network.socket.drop(1006);
    fire('pagehide');
    fire('online');
    client.retryNow();
    await clock.advance(60_000);
    expect(network.sockets).toHaveLength(1);
  });

  it('that was closed by the application stays closed, whatever the browser says', async () => {
    const { page, fire } = createPage();
    const { client, clock, network, login } = createRig({ page });
    await login();
    client.close();
    for (const type of ['online', 'focus', 'pageshow', 'resume']) fire(type);
    await clock.advance(60_000);
    expect(network.sockets).toHaveLength(1);
  });

  it('writes positions down when it is hidden: it may never be shown again', async () => {
    const { page, show } = createPage();
    const items = new Map<string, string>();
    const storage = { getItem: () => null, setItem: (key: string, value: string) => void items.set(key, value) };
    const { client, network, login, asked } = createRig({ page, storage });
    client.subscribe('global', {});
    await login();
    const [join] = asked();
    network.socket.frame({
      type: 'SUBSCRIBED',
      channel: 'global',
      id: '7-4',
      replay: 0,
      ref: (join as { ref: string }).ref,
    });
    network.socket.frame({ type: 'NOTICE', id: '7-5', channel: 'global', timestamp: 0 });
    expect(items.get('belfry:global')).toBe('7-4');
    show(false);
    expect(items.get('belfry:global')).toBe('7-5');
  });

  it('is not listened to after the client was disposed of', async () => {
    const { page, fire } = createPage();
    const { client, clock, network, login } = createRig({ page });
    await login();
    client.dispose();
    for (const type of ['online', 'focus', 'pageshow', 'resume', 'offline']) fire(type);
    await clock.advance(60_000);
    expect(network.sockets).toHaveLength(1);
  });
});
