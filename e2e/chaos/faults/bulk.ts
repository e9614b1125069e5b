/** Large events on a channel of their own: more than kernels and buffers hold for whoever does not read. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NotAccepted } from '../load/reporter.js';
import { BULK, channelName, propertyId } from '../names.js';
import type { World } from './fault.js';

export const BULK_BYTES = 14_000;
let bulk = 0;

export async function publishBulk({ reporter }: World, count: number): Promise<void> {
  const events = Array.from({ length: count }, () => {
    bulk += 1;
    return {
      channel: channelName(BULK),
      type: 'BULK',
      property_id: propertyId(BULK),
      message: `n${bulk}`,
      fill: 'x'.repeat(BULK_BYTES),
    };
  });
  const body = JSON.stringify({ events });
  const key = `bulk-${bulk}`;
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const accepted = await reporter.post('/v1/events', body, key).catch((error: unknown) => {
      if (error instanceof NotAccepted) return undefined;
      throw error;
    });
    if (accepted?.status === 202) return;
    await sleep(250);
  }
}
