// @vitest-environment happy-dom
/** What React draws in pieces, interrupts, and begins again must show one state of the world, whatever arrives meanwhile. */
import { act, render, waitFor } from '@testing-library/react';
import { Suspense, startTransition, use, useLayoutEffect, useState } from 'react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { settled } from '../fake-clock.test-support.js';
import { answer, createApp, endApps, frame, login, MODES, PATIENCE, violation } from './app.test-support.js';
import { useChannel, usePortfolio, useProperty, useStatus } from './index.js';

const BBL = '1000010001';

afterEach(() => {
  vi.unstubAllGlobals();
  endApps();
});

/** As on a slow phone: React has to stop in between. */
function beSlow(): void {
  const end = performance.now() + 4;
  while (performance.now() < end);
}

/** One slow row of many. `seen` is what the rows of one drawing show. */
function Row({ seen, index }: { seen: number[]; index: number }) {
  const { open } = useProperty(BBL);
  const { open: all } = usePortfolio([BBL]);
  beSlow();
  useLayoutEffect(() => {
    seen[index * 2] = open;
    seen[index * 2 + 1] = all;
  });
  return <p>{open}</p>;
}

/** @param screens what each drawing that reached the screen showed */
function Rows({ screens, ready }: { screens: number[][]; ready: (show: (rows: number) => void) => void }) {
  const [rows, setRows] = useState(1);
  const seen: number[] = [];
  useLayoutEffect(() => {
    ready((count) => startTransition(() => setRows(count)));
    screens.push([...seen]);
  });
  return Array.from({ length: rows }, (_, index) => <Row key={String(index)} seen={seen} index={index} />);
}

function Waiting({ name }: { name: Promise<string> }) {
  const { open } = useProperty(BBL);
  const { status } = useStatus();
  useChannel('global');
  return `${use(name)}: ${open} ${status}`;
}

function Beside() {
  return `${useProperty(BBL).open}`;
}

describe.each(MODES)('%s that is drawn concurrently', (_mode, strict) => {
  it('never shows two states of one property at once, however slowly it is drawn', async () => {
    const { rig, wrapper } = createApp(strict);
    await login(rig);
    const screens: number[][] = [];
    let show: (rows: number) => void = () => undefined;
    const ready = (next: typeof show) => {
      show = next;
    };
    render(<Rows screens={screens} ready={ready} />, { wrapper });
    await answer(rig, '7-1', [violation('7-1', 1)]);
    // From here on React draws as it does in an application: in slices, beside what arrives.
    vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false);
    show(40);
    for (let count = 2; count <= 12; count++) {
      rig.network.socket.frame(violation(`7-${count}`, count));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await vi.waitFor(() => expect(screens.at(-1)).toEqual(Array(80).fill(12)), PATIENCE);
    for (const screen of screens) expect(new Set(screen).size).toBeLessThanOrEqual(1);
  });

  it('that waits for something else keeps up meanwhile, and asks once', async () => {
    const { rig, wrapper } = createApp(strict);
    await login(rig);
    let resolve: (value: string) => void = () => undefined;
    const name = new Promise<string>((done) => {
      resolve = done;
    });
    const { container } = await act(async () =>
      render(
        <>
          <Beside />
          <Suspense fallback=" …">
            <Waiting name={name} />
          </Suspense>
        </>,
        { wrapper },
      ),
    );
    expect(await answer(rig, '7-1', [violation('7-1', 4)])).toHaveLength(2);
    await frame(rig, violation('7-2', 5));
    await act(async () => {
      resolve('Main Street');
      await settled();
    });
    await waitFor(() => expect(container.textContent).toBe('5Main Street: 5 connected'));
    expect(await answer(rig)).toMatchObject([{ type: 'SUBSCRIBE', channels: ['global'] }]);
  });

  it('whose drawing is given up leaves no subscription behind', async () => {
    const { rig, wrapper } = createApp(strict);
    await login(rig);
    const never = new Promise<string>(() => undefined);
    const { rerender } = await act(async () =>
      render(
        <Suspense fallback="…">
          <Waiting name={never} />
        </Suspense>,
        { wrapper },
      ),
    );
    rerender(<p>nothing</p>);
    expect(await answer(rig)).toEqual([]);
  });
});
