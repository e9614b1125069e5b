// @vitest-environment happy-dom
import { act, renderHook, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { answer, createApp, endApps, frame, login, MODES } from './app.test-support.js';
import { useNotifications } from './index.js';

afterEach(endApps);

describe.each(MODES)('%s', (_mode, strict) => {
  describe('useNotifications', () => {
    const notice = (id: string, more: Readonly<Record<string, unknown>> = {}) => ({
      id,
      type: 'SYSTEM_NOTIFICATION',
      channel: 'user:manager',
      timestamp: 1_700_000_000,
      ...more,
    });

    it('are what is meant for the user and the role; what is read or dismissed is so everywhere', async () => {
      const { rig, wrapper } = createApp(strict);
      const arrived = vi.fn();
      const one = renderHook(() => useNotifications({ onNotification: arrived }), { wrapper });
      const two = renderHook(() => useNotifications(), { wrapper });
      await login(rig);
      expect(await answer(rig)).toMatchObject([{ type: 'SUBSCRIBE', channels: ['user:manager', 'role:manager'] }]);
      await frame(rig, notice('7-1'));
      await frame(rig, notice('7-1'));
      await frame(rig, notice('7-1', { channel: 'role:manager' }));
      await frame(rig, notice('7-2', { type: 'kpi:update' }));
      await waitFor(() => expect(one.result.current.unread).toBe(2));
      expect(arrived).toHaveBeenCalledTimes(2);
      const [newest] = one.result.current.notifications;
      expect(newest?.event.channel).toBe('role:manager');
      act(() => one.result.current.markRead(newest?.key));
      await waitFor(() => expect(two.result.current.unread).toBe(1));
      act(() => two.result.current.markRead());
      await waitFor(() => expect(one.result.current.unread).toBe(0));
      act(() => two.result.current.dismiss(newest?.key));
      await waitFor(() => expect(one.result.current.notifications).toHaveLength(1));
      act(() => two.result.current.dismiss());
      await waitFor(() => expect(one.result.current.notifications).toEqual([]));
    });

    it('follow the user', async () => {
      const { rig, wrapper } = createApp(strict);
      renderHook(() => useNotifications(), { wrapper });
      await login(rig);
      await answer(rig);
      await act(async () => rig.network.socket.authenticated({ channels: ['user:manager', 'role:hr'] }));
      expect(await answer(rig)).toMatchObject([
        { type: 'UNSUBSCRIBE', channels: ['role:manager'] },
        { type: 'SUBSCRIBE', channels: ['role:hr'] },
      ]);
    });
  });
});
