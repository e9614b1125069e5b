// @vitest-environment happy-dom
import { act, renderHook } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createApp, endApps, frame, login, MODES } from './app.test-support.js';
import { useClient, useLostConnection, useStatus, useUser } from './index.js';

afterEach(endApps);

describe.each(MODES)('%s', (_mode, strict) => {
  describe('useStatus', () => {
    it('follows the connection', async () => {
      const { rig, wrapper } = createApp(strict);
      const { result } = renderHook(() => useStatus(), { wrapper });
      expect(result.current).toMatchObject({ status: 'initial', mode: 'stale' });
      await login(rig);
      expect(result.current).toMatchObject({ status: 'connected', mode: 'live' });
      await act(async () => rig.network.socket.drop(1006));
      expect(result.current).toMatchObject({ status: 'reconnecting', attempt: 1, retryAt: rig.clock.now() + 2_500 });
    });

    it('does not draw again where nothing changed', async () => {
      const { rig, wrapper } = createApp(strict);
      let drawn = 0;
      renderHook(
        () => {
          drawn++;
          return useStatus();
        },
        { wrapper },
      );
      await login(rig);
      const before = drawn;
      await frame(rig, { type: 'PING' });
      // Silent for so long that it is asked for a sign of life, and gives one: the machine moves, the state does not.
      const asked = () => rig.network.socket.sent.some(({ type }) => type === 'PING');
      await act(async () => {
        while (!asked()) await rig.clock.advance(1_000);
      });
      await frame(rig, { type: 'PONG' });
      expect(drawn).toBe(before);
    });
  });

  describe('useUser', () => {
    it('is whom the gateway says', async () => {
      const { rig, wrapper } = createApp(strict);
      const { result } = renderHook(() => useUser(), { wrapper });
      expect(result.current).toBeUndefined();
      await login(rig);
      expect(result.current).toMatchObject({ id: 'manager', role: 'MANAGER' });
    });
  });

  describe('useLostConnection', () => {
    it('calls the function of the last render, once per change', async () => {
      const { rig, wrapper } = createApp(strict);
      const [old, current] = [vi.fn(), vi.fn()];
      const { rerender } = renderHook(({ told }) => useLostConnection(told), { wrapper, initialProps: { told: old } });
      rerender({ told: current });
      await login(rig);
      await act(async () => {
        rig.network.socket.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 6_000 });
        rig.network.socket.drop(4200);
        await rig.clock.advance(5_000);
      });
      await act(() => rig.reconnect());
      await act(async () => rig.network.socket.drop(4002, 'by an operator'));
      expect(current.mock.calls.map(([outage]) => outage)).toEqual(['lost', 'restored', 'failed']);
      expect(current.mock.calls[2]?.[1]).toMatchObject({ code: 4002 });
      expect(old).not.toHaveBeenCalled();
    });
  });

  it('hooks outside of a provider say what is missing', () => {
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    expect(() => renderHook(() => useClient())).toThrow(/BelfryProvider/);
    quiet.mockRestore();
  });
});
