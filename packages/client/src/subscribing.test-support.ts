/** What tests of subscribers ask for, and are answered by the gateway that the test plays. */
import type { ClientMessage, SubscribeMessage } from '@belfry/shared/protocol';
import { event } from './recording.test-support.js';
import type { Rig } from './rig.test-support.js';

export const CHANNEL = 'property:1000010001';

export const refOf = (message: ClientMessage | undefined) => (message as { ref?: string } | undefined)?.ref;

/** Answers a SUBSCRIBE for one channel. */
export function subscribed(
  rig: Rig,
  asked: ClientMessage | undefined,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const { channels = [] } = asked as SubscribeMessage;
  for (const channel of channels) {
    rig.network.socket.frame({ type: 'SUBSCRIBED', channel, id: '7-0', replay: 0, ref: refOf(asked), ...fields });
  }
}

export function stateFor(rig: Rig, asked: ClientMessage | undefined, id: string, count = 1): void {
  const events = Array.from({ length: count }, (_, index) => event(`7-${index + 1}`));
  rig.network.socket.frame({ type: 'STATE', channel: CHANNEL, id, events, ref: refOf(asked) });
}

/** Moves time until the client asks for something. */
export async function nextAsked(rig: Rig): Promise<ClientMessage | undefined> {
  const before = rig.network.socket.sent.length;
  await rig.clock.until(() => rig.network.socket.sent.length > before);
  return rig.asked()[0];
}
