/**
 * Signed webhooks: `belfry-signature` is HMAC-SHA256 over `<timestamp>.<body>`, so that a receiver can tell that it was
 * us, and that it is not an old one sent again.
 */
import { createHmac } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import type { Clock } from '@belfry/shared/service';
import { type Delivery, Undeliverable } from './delivery.js';
import { post } from './post.js';
import { publicAddressesOnly, refusePrivate } from './public-address.js';

export interface WebhookTarget {
  readonly url: string;
  readonly secret: string;
}

export interface WebhookOptions {
  readonly clock: Clock;
  /** Whether receivers may live on private and loopback addresses: never where users are strangers. */
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  /** Finds the addresses of a name. Default: the system's. */
  readonly lookup?: LookupFunction;
}

export type SendWebhook = (target: WebhookTarget, delivery: Delivery) => Promise<void>;

/** The signature of a body sent at `timestamp` (seconds since 1970): what a receiver computes to compare. */
export const signatureOf = (secret: string, timestamp: number, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

export function createWebhookSender(options: WebhookOptions): SendWebhook {
  const { allowPrivate, clock, timeoutMs } = options;
  const lookup = allowPrivate ? options.lookup : publicAddressesOnly(options.lookup);

  return async ({ secret, url }, delivery) => {
    if (!allowPrivate) refusePrivate(new URL(url).hostname);
    const timestamp = Math.floor(clock.now() / 1_000);
    const body = JSON.stringify({
      delivery_id: delivery.id,
      user_id: delivery.user,
      rule: delivery.rule,
      events: delivery.events,
    });
    const headers = {
      'content-type': 'application/json',
      'belfry-delivery': delivery.id,
      'belfry-timestamp': String(timestamp),
      'belfry-signature': signatureOf(secret, timestamp, body),
    };
    const status = await post(url, { headers, body, timeoutMs, lookup });
    if (status >= 200 && status < 300) return;
    const reason = `the receiver answered ${status}`;
    // 410: the receiver has said that it is gone for good.
    throw status === 410 ? new Undeliverable('refused', reason) : new Error(reason);
  };
}
