/**
 * Signed webhooks: `belfry-signature` is HMAC-SHA256 over `<timestamp>.<body>`, so that a receiver can tell that it was
 * us, and that it is not an old one sent again.
 */
import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { Clock } from '@belfry/shared/service';
import { type Delivery, Undeliverable } from './delivery.js';

export interface WebhookTarget {
  readonly url: string;
  readonly secret: string;
}

export interface WebhookOptions {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** Whether receivers may live on private and loopback addresses: never where users are strangers. */
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
}

export type SendWebhook = (target: WebhookTarget, delivery: Delivery) => Promise<void>;

const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
  ['::ffff:0:0', 96],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv6');
}

/** The signature of a body sent at `timestamp` (seconds since 1970): what a receiver computes to compare. */
export const signatureOf = (secret: string, timestamp: number, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

export function createWebhookSender(options: WebhookOptions): SendWebhook {
  async function checkTarget(url: string): Promise<void> {
    if (options.allowPrivate) return;
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
    if (addresses.some((address) => PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))) {
      throw new Undeliverable(`${host} is a private address; set ALLOW_PRIVATE_WEBHOOKS=true to allow that`);
    }
  }

  return async ({ secret, url }, delivery) => {
    await checkTarget(url);
    const timestamp = Math.floor(options.clock.now() / 1_000);
    const body = JSON.stringify({
      delivery_id: delivery.id,
      user_id: delivery.user,
      rule: delivery.rule,
      events: delivery.events,
    });
    const response = await options.fetch(url, {
      method: 'POST',
      // Where a redirect leads was not checked.
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs),
      headers: {
        'content-type': 'application/json',
        'belfry-delivery': delivery.id,
        'belfry-timestamp': String(timestamp),
        'belfry-signature': signatureOf(secret, timestamp, body),
      },
      body,
    });
    await response.body?.cancel();
    if (response.ok) return;
    const reason = `the receiver answered ${response.status}`;
    // 410: the receiver has said that it is gone for good.
    throw response.status === 410 ? new Undeliverable(reason) : new Error(reason);
  };
}
