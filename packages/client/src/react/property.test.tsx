// @vitest-environment happy-dom
import { act, renderHook, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { settled } from '../fake-clock.test-support.js';
import { answer, createApp, endApps, frame, login, MODES, PATIENCE, refOf, violation } from './app.test-support.js';
import { usePortfolio, useProperty } from './index.js';

afterEach(() => {
  vi.unstubAllGlobals();
  endApps();
});

describe.each(MODES)('%s', (_mode, strict) => {
  describe('useProperty', () => {
    it('keeps the last event of each type, from the snapshot on', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result } = renderHook(() => useProperty('1000010001'), { wrapper });
      expect(result.current).toMatchObject({ propertyId: '1000010001', phase: 'joining', open: 0 });
      const asked = await answer(rig, '7-4', [violation('7-3', 3), violation('7-4', 5, { violation_type: 'DOB' })]);
      expect(asked.map(({ type }) => type)).toEqual(['SUBSCRIBE', 'GET_STATE']);
      await waitFor(() => expect(result.current).toMatchObject({ phase: 'ready', open: 8, latest: undefined }));
      await frame(rig, violation('7-5', 9));
      await frame(rig, { ...violation('7-6', 0), type: 'application_submitted' });
      await waitFor(() =>
        expect(result.current).toMatchObject({
          open: 14,
          violations: { HPD: { count: 9 }, DOB: { count: 5 } },
          latest: { type: 'application_submitted' },
          updatedAt: 1_700_000_009,
        }),
      );
      // A snapshot is all that there is: what it does not name is not there any more.
      const channel = 'property:1000010001';
      await frame(rig, { type: 'RESYNC', channel, id: '8-1' });
      await frame(rig, { type: 'STATE', channel, id: '8-1', events: [violation('8-1', 2)] });
      await waitFor(() => expect(result.current.open).toBe(2));
      expect(Object.keys(result.current.violations)).toEqual(['HPD']);
    });

    it('is not set back by a replay of what the snapshot includes', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result } = renderHook(() => useProperty('1000010001'), { wrapper });
      const [join, ask] = await act(async () => {
        await settled();
        return rig.asked();
      });
      const channel = 'property:1000010001';
      await frame(rig, { type: 'SUBSCRIBED', channel, id: '7-0', replay: 0, ref: refOf(join) });
      await frame(rig, violation('7-1', 1));
      await frame(rig, { type: 'STATE', channel, id: '7-2', events: [violation('7-2', 2)], ref: refOf(ask) });
      await waitFor(() => expect(result.current).toMatchObject({ open: 2, latest: { id: '7-1' } }));
      await frame(rig, violation('7-2', 2));
      await frame(rig, violation('7-3', 3));
      await waitFor(() => expect(result.current.open).toBe(3));
    });

    it('is one subscription for all components that show the property, and survives their exchange', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const one = renderHook(() => useProperty('1000010001'), { wrapper });
      const two = renderHook(() => useProperty('1000010001'), { wrapper });
      expect(await answer(rig, '7-4', [violation('7-4', 4)])).toHaveLength(2);
      await waitFor(() => expect(one.result.current.open).toBe(4));
      expect(two.result.current).toBe(one.result.current);
      one.unmount();
      two.unmount();
      const three = renderHook(() => useProperty('1000010001'), { wrapper });
      expect(three.result.current).toMatchObject({ phase: 'ready', open: 4 });
      expect(await answer(rig)).toEqual([]);
      three.unmount();
      await waitFor(async () => expect(await answer(rig)).toMatchObject([{ type: 'UNSUBSCRIBE' }]));
    });

    it('of nothing is nothing', async () => {
      const { rig, wrapper } = createApp(strict);
      const { result } = renderHook(() => useProperty(undefined), { wrapper });
      expect(result.current).toMatchObject({ propertyId: '', phase: 'joining' });
      expect(rig.client.state.status).toBe('initial');
    });
  });

  describe('usePortfolio', () => {
    const bbls = (count: number) => Array.from({ length: count }, (_, lot) => String(1_000_010_001 + lot));

    it('sums up its properties, in their order, each once', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result } = renderHook(() => usePortfolio(['1000010002', '1000010001', '1000010002']), { wrapper });
      expect(result.current).toMatchObject({ open: 0, joining: 2 });
      await answer(rig, '7-4', [violation('7-4', 4)]);
      await waitFor(() => expect(result.current).toMatchObject({ open: 8, joining: 0 }));
      expect(result.current.properties.map(({ propertyId }) => propertyId)).toEqual(['1000010002', '1000010001']);
    });

    it('asks for 500 in frames of fifty, leaves what is taken out, and nothing for a new list of the same', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      const { result, rerender } = renderHook(({ list }) => usePortfolio(list), {
        wrapper,
        initialProps: { list: bbls(500) },
      });
      const asked = await answer(rig);
      expect(asked.filter(({ type }) => type === 'SUBSCRIBE')).toHaveLength(10);
      await waitFor(() => expect(result.current.joining).toBe(0));
      const before = result.current;
      rerender({ list: bbls(500) });
      expect(await answer(rig)).toEqual([]);
      expect(result.current).toBe(before);
      rerender({ list: bbls(501).slice(1) });
      expect(await answer(rig)).toMatchObject([
        { type: 'SUBSCRIBE', channels: ['property:1000010501'] },
        { type: 'GET_STATE' },
      ]);
      await waitFor(async () =>
        expect(await answer(rig)).toMatchObject([{ type: 'UNSUBSCRIBE', channels: ['property:1000010001'] }]),
      );
    });

    it('is drawn once for what arrives between two frames of the screen', async () => {
      const { rig, wrapper } = createApp(strict);
      await login(rig);
      let drawn = 0;
      const list = bbls(100);
      const { result } = renderHook(
        () => {
          drawn++;
          return usePortfolio(list);
        },
        { wrapper },
      );
      await answer(rig);
      await waitFor(() => expect(result.current.joining).toBe(0));
      const before = drawn;
      // React alone draws once for what comes in one turn; these come in a turn each, and before the next timer.
      vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false);
      for (const bbl of list) {
        rig.network.socket.frame(violation('7-1', 1, { channel: `property:${bbl}` }));
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      }
      await vi.waitFor(() => expect(result.current.open).toBe(100), PATIENCE);
      expect(drawn - before).toBeLessThanOrEqual(strict ? 2 : 1);
    });
  });
});
