/** Where webhooks go, and where they must not: users choose the address. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { systemClock } from '@belfry/shared/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Delivery, Undeliverable } from './delivery.js';
import { isPrivate, publicAddressesOnly } from './public-address.js';
import { createWebhookSender, signatureOf } from './webhook.js';

const SECRET = 'a-secret-for-webhooks';
const delivery: Delivery = { id: 'one', user: 'landlord-7', rule: 'all', way: 'webhook', events: [] };

let receiver: Server;
const got: { path: string; headers: IncomingMessage['headers']; body: string }[] = [];

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const path = request.url ?? '';
    got.push({ path, headers: request.headers, body });
    if (path === '/hanging') return;
    if (path === '/elsewhere') return void response.writeHead(307, { location: '/target' }).end();
    response.writeHead(path === '/gone' ? 410 : 204).end();
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
});
afterAll(() => {
  receiver.closeAllConnections();
  receiver.close();
});

const at = (host: string, path = '/') => `http://${host}:${(receiver.address() as AddressInfo).port}${path}`;
/** Answers each question with the next of these; the last one stays. */
function answering(...answers: readonly (readonly string[])[]): { lookup: LookupFunction; asked: () => number } {
  let asked = 0;
  const lookup: LookupFunction = (_host, _options, done) => {
    const addresses = answers[Math.min(asked, answers.length - 1)] ?? [];
    asked += 1;
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return { lookup, asked: () => asked };
}
const send = (url: string, options: { allowPrivate?: boolean; lookup?: LookupFunction; timeoutMs?: number } = {}) =>
  createWebhookSender({ clock: systemClock, allowPrivate: false, timeoutMs: 5_000, ...options })(
    { url, secret: SECRET },
    delivery,
  );

describe('a webhook', () => {
  it('is signed over the bytes that are sent', async () => {
    await send(at('127.0.0.1', '/signed'), { allowPrivate: true });
    const hook = got.find(({ path }) => path === '/signed');
    const timestamp = Number(hook?.headers['belfry-timestamp']);
    expect(hook?.headers['belfry-signature']).toBe(signatureOf(SECRET, timestamp, hook?.body ?? ''));
  });

  it('follows no redirect, and believes a receiver that is gone', async () => {
    await expect(send(at('127.0.0.1', '/elsewhere'), { allowPrivate: true })).rejects.toThrow('answered 307');
    expect(got.some(({ path }) => path === '/target')).toBe(false);
    await expect(send(at('127.0.0.1', '/gone'), { allowPrivate: true })).rejects.toThrow(Undeliverable);
  });

  it('gives up a receiver that does not answer', async () => {
    const sending = send(at('127.0.0.1', '/hanging'), { allowPrivate: true, timeoutMs: 100 });
    await expect(sending).rejects.toThrow('no answer within 100 ms');
  });

  it.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '10.1.2.3', '0x7f.1', '2130706433', '[64:ff9b::7f00:1]'])(
    'is not sent to %s',
    async (host) => {
      await expect(send(at(host, '/private'))).rejects.toThrow(Undeliverable);
      expect(got.some(({ path }) => path === '/private')).toBe(false);
    },
  );

  it('is not sent to a name of which any address is private', async () => {
    const { lookup } = answering(['203.0.113.7', '127.0.0.1']);
    await expect(send(at('receiver.example', '/mixed'), { lookup })).rejects.toThrow(Undeliverable);
    expect(got.some(({ path }) => path === '/mixed')).toBe(false);
  });

  it('asks for the addresses once, and connects to those', async () => {
    const { asked, lookup } = answering(['127.0.0.1'], ['127.0.0.2']);
    await send(at('receiver.example', '/once'), { lookup, allowPrivate: true });
    expect(asked()).toBe(1);
    expect(got.some(({ path }) => path === '/once')).toBe(true);
  });
});

describe('addresses that are checked', () => {
  const resolve = (lookup: LookupFunction, all: boolean) =>
    new Promise((done) => {
      publicAddressesOnly(lookup)('receiver.example', { all }, (error, address) => done(error ?? address));
    });

  it('are the ones that are handed on: a name that changes its mind later is not asked again', async () => {
    const { asked, lookup } = answering(['203.0.113.7', '2001:db8::7'], ['127.0.0.1']);
    expect(await resolve(lookup, true)).toEqual([
      { address: '203.0.113.7', family: 4 },
      { address: '2001:db8::7', family: 6 },
    ]);
    expect(asked()).toBe(1);
    expect(await resolve(lookup, true)).toBeInstanceOf(Undeliverable);
  });

  it('are one where one is asked for, and all of them are checked', async () => {
    expect(await resolve(answering(['203.0.113.7']).lookup, false)).toBe('203.0.113.7');
    expect(await resolve(answering(['203.0.113.7', '::1']).lookup, false)).toBeInstanceOf(Undeliverable);
    expect(await resolve(answering([]).lookup, false)).toBeInstanceOf(Undeliverable);
  });
});

it.each([
  ['8.8.8.8', false],
  ['2606:4700::1111', false],
  ['169.254.169.254', true],
  ['100.64.0.1', true],
  ['64:ff9b::a9fe:a9fe', true],
  ['2002:7f00:1::', true],
  ['2001:0:1:2::', true],
  ['fe80::1', true],
  ['fd00::1', true],
  ['::7f00:1', true],
  ['::ffff:10.0.0.1', true],
])('%s: private is %s', (address, expected) => {
  expect(isPrivate(address)).toBe(expected);
});
