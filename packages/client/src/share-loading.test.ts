import { deferred } from '@belfry/testkit';
import { afterEach, expect, it, vi } from 'vitest';
import { createOrigin } from './origin.test-support.js';

const { load } = vi.hoisted(() => ({ load: vi.fn<() => Promise<void>>() }));
vi.mock('./share.js', async (original) => {
  await load();
  return original();
});

const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 1 });

afterEach(() => {
  vi.unstubAllGlobals();
});

it('a tab that is frozen and resumed while it loads what sharing takes leads once, and others follow it', async () => {
  const loaded = deferred<void>();
  load.mockReturnValue(loaded.promise);
  const { tab } = createOrigin();
  const document = new EventTarget();
  const one = tab({ page: { window: new EventTarget(), document } });
  one.client.connect();
  await until(() => expect(load).toHaveBeenCalled());
  document.dispatchEvent(new Event('freeze'));
  document.dispatchEvent(new Event('resume'));
  loaded.resolve();
  await until(() => expect(one.network.sockets).toHaveLength(1));
  one.network.socket.welcome();
  one.network.socket.authenticated();
  expect(one.client.state.status).toBe('connected');

  const two = tab();
  two.client.connect();
  await until(() => expect(two.client.state.status).toBe('connected'));
  expect(two.network.sockets).toHaveLength(0);
});
