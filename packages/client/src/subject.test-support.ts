/** Writes down what an application is told. Runs in a page too, so it imports types only. */
import type { Client } from './api.js';

/** @returns the lines, which grow */
export function record(client: Client, channels: readonly string[], state = false): readonly string[] {
  const lines: string[] = [];
  client.on('status', ({ current, previous }) => {
    if (current !== previous) lines.push(`status ${current}`);
  });
  client.on('error', ({ code, message }) => lines.push(`error ${code} ${message}`));
  for (const channel of channels) {
    client.subscribe(channel, {
      onEvent: ({ id }) => {
        lines.push(`event ${channel} ${id}`);
      },
      ...(state && {
        onState: ({ id }) => {
          lines.push(`state ${channel} ${id}`);
        },
      }),
      onGap: ({ cause, after, id }) => lines.push(`gap ${cause} ${after}..${id}`),
      onRecovered: ({ recovered, replay }) => lines.push(recovered ? `recovered ${replay}` : 'not recovered'),
      onLive: () => lines.push('live'),
    });
  }
  return lines;
}
