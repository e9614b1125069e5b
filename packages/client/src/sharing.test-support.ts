/** Tabs that share a connection: which of them leads, who follows, and what they hear. */
import { expect, vi } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRecording } from './recording.test-support.js';
import type { Rig } from './rig.test-support.js';

export const CHANNEL = 'property:1000010001';

/** What is loaded when it is first wanted takes as long as the machine needs. */
export const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 1 });

/** Lets what was loaded, and what tabs say to each other, arrive. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await settled();
}

export async function lead(rig: Rig): Promise<void> {
  rig.client.connect();
  await until(() => expect(rig.network.sockets).toHaveLength(1));
  rig.network.socket.welcome();
  rig.network.socket.authenticated();
  await quiet();
}

export async function follow(rig: Rig): Promise<void> {
  rig.client.connect();
  await until(() => expect(rig.client.state.status).toBe('connected'));
  await quiet();
}

export const refOf = (message: unknown) => (message as { ref: string }).ref;

/** What each of them hears of the channel, from `7-0` on. */
export async function record(leader: Rig, tabs: readonly Rig[]) {
  const recordings = tabs.map((rig) => {
    const recording = createRecording();
    rig.client.subscribe(CHANNEL, recording.handlers);
    return recording;
  });
  await quiet();
  for (const asked of leader.asked()) {
    leader.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-0', replay: 0, ref: refOf(asked) });
  }
  return recordings;
}
