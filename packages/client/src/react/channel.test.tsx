// @vitest-environment happy-dom
import { act, render, renderHook, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import { settled } from '../fake-clock.test-support.js';
import { answer, createApp, endApps, frame, login, MODES, refOf, violation } from './app.test-support.js';
import { useChannel, useNotifications, useProperty, useStatus } from './index.js';

afterEach(endApps);

function Everything() {
  useStatus();
  useChannel('global');
  useProperty('1000010001');
  useNotifications();
  return null;
}

describe.each(MODES)('%s', (_mode, strict) => {
  describe('useChannel', () => {
    it('subscribes once, gathers events, and leaves when it is gone', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result, unmount } = renderHook(() => useChannel('global', { keep: 2 }), { wrapper });
      expect(result.current).toMatchObject({ phase: 'joining', events: [] });
      expect(await answer(rig)).toMatchObject([{ type: 'SUBSCRIBE', channels: ['global'] }]);
      for (const n of [1, 2, 3]) await frame(rig, violation(`7-${n}`, n, { channel: 'global' }));
      await waitFor(() => expect(result.current.events.map(({ id }) => id)).toEqual(['7-3', '7-2']));
      expect(result.current.phase).toBe('live');
      unmount();
      expect(await answer(rig)).toMatchObject([{ type: 'UNSUBSCRIBE', channels: ['global'] }]);
    });

    it('takes new functions in every render without asking anew', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const seen: string[] = [];
      const { rerender } = renderHook(
        ({ name }) => useChannel('global', { onEvent: ({ id }) => seen.push(`${name} ${id}`) }),
        { wrapper, initialProps: { name: 'first' } },
      );
      expect(await answer(rig)).toHaveLength(1);
      rerender({ name: 'second' });
      await frame(rig, violation('7-1', 1, { channel: 'global' }));
      expect(await answer(rig)).toEqual([]);
      expect(seen).toEqual(['second 7-1']);
    });

    it('waits until it is enabled and knows its channel, and moves when that changes', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result, rerender } = renderHook(
        ({ channel, enabled }: { channel: string | undefined; enabled: boolean }) => useChannel(channel, { enabled }),
        { wrapper, initialProps: { channel: undefined, enabled: true } as never },
      );
      expect(result.current.phase).toBe('idle');
      rerender({ channel: 'global', enabled: false });
      expect(await answer(rig)).toEqual([]);
      rerender({ channel: 'global', enabled: true });
      expect(await answer(rig)).toMatchObject([{ type: 'SUBSCRIBE', channels: ['global'] }]);
      rerender({ channel: '1000010001', enabled: true });
      expect(await answer(rig)).toMatchObject([
        { type: 'UNSUBSCRIBE', channels: ['global'] },
        { type: 'SUBSCRIBE', channels: ['property:1000010001'] },
      ]);
      await waitFor(() => expect(result.current.phase).toBe('live'));
    });

    it('shows the snapshot where it is wanted, and a refusal', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result } = renderHook(() => useChannel('role:manager', { snapshot: true }), { wrapper });
      await answer(rig, '7-4', [violation('7-4', 4)]);
      await waitFor(() => expect(result.current.state).toMatchObject({ id: '7-4', events: [{ count: 4 }] }));
      const other = renderHook(() => useChannel('global'), { wrapper });
      const [asked] = await act(async () => {
        await settled();
        return rig.asked();
      });
      await frame(rig, { type: 'ERROR', code: 'forbidden', message: 'no', channel: 'global', ref: refOf(asked) });
      await waitFor(() =>
        expect(other.result.current).toMatchObject({ phase: 'refused', error: { code: 'forbidden' } }),
      );
    });
  });

  it('components and their client can go in any order', async () => {
    const { rig, wrapper } = createApp(strict);
    const { unmount } = render(<Everything />, { wrapper });
    await login(rig);
    rig.client.dispose();
    unmount();
    await settled();
    expect(rig.clock.waiting).toEqual([]);
  });
});
