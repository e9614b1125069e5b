/** Components in an app whose gateway is played by the test, as they run and as React draws them twice in development. */
import type { ClientMessage, SubscribeMessage } from '@belfry/shared/protocol';
import { act, cleanup, configure } from '@testing-library/react';
import { type ReactNode, StrictMode } from 'react';
import { settled } from '../fake-clock.test-support.js';
import { createRig, type Rig } from '../rig.test-support.js';
import { BelfryProvider } from './index.js';

export const MODES = [
  ['a component', false],
  ['a component in StrictMode', true],
] as const;

/** "Never", on however slow a machine: what is waited for comes within milliseconds on a quick one. */
export const PATIENCE = { timeout: 15_000, interval: 10 };
configure({ asyncUtilTimeout: PATIENCE.timeout });

const rigs: Rig[] = [];

export function createApp(strict: boolean) {
  const rig = createRig();
  rigs.push(rig);
  const Mode = strict ? StrictMode : ({ children }: { children: ReactNode }) => children;
  const wrapper = ({ children }: { children: ReactNode }) => (
    <Mode>
      <BelfryProvider client={rig.client}>{children}</BelfryProvider>
    </Mode>
  );
  return { rig, wrapper };
}

/** After each test. */
export function endApps(): void {
  cleanup();
  for (const { client } of rigs.splice(0)) client.dispose();
}

export const refOf = (message: ClientMessage | undefined) => (message as { ref?: string } | undefined)?.ref;

/** Lets the client send, and answers as a gateway without events would. */
export async function answer(rig: Rig, id = '7-0', events: readonly object[] = []): Promise<ClientMessage[]> {
  const asked = await act(async () => {
    await settled();
    return rig.asked();
  });
  await act(async () => {
    for (const message of asked) {
      for (const channel of (message as SubscribeMessage).channels ?? []) {
        const ref = refOf(message);
        if (message.type === 'SUBSCRIBE') rig.network.socket.frame({ type: 'SUBSCRIBED', channel, id, replay: 0, ref });
        if (message.type === 'GET_STATE') rig.network.socket.frame({ type: 'STATE', channel, id, events, ref });
      }
    }
    await settled();
  });
  return asked;
}

export const login = (rig: Rig) => act(() => rig.login());
export const frame = (rig: Rig, message: Readonly<Record<string, unknown>>) =>
  act(async () => {
    rig.network.socket.frame(message);
    await settled();
  });

export const violation = (id: string, count: number, more: Readonly<Record<string, unknown>> = {}) => ({
  id,
  type: 'VIOLATION_UPDATE',
  channel: 'property:1000010001',
  property_id: '1000010001',
  violation_type: 'HPD',
  count,
  new_violations: 1,
  resolved: 0,
  severity: 'high',
  message: 'one more',
  timestamp: 1_700_000_000 + count,
  ...more,
});
