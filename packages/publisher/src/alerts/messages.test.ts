/** E-mail over a real SMTP server: what it may have taken is not sent again, and what is given up it never gets. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Deferred, deferred, eventually } from '@belfry/testkit';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Delivery, Undeliverable } from './delivery.js';
import { createMailSender } from './messages.js';

type MailSender = ReturnType<typeof createMailSender>;

const TIMEOUT_MS = 600;
const delivery: Delivery = { id: '1-1_landlord-7_email', user: 'landlord-7', rule: 'all', way: 'email', events: [] };

let server: SMTPServer;
let mail: MailSender | undefined;
/** Messages that reached their end. */
let got: string[];
/** Connections that are open. */
let open: Set<string>;
/** Whether the server has come to where it is slow; settled by a test when it is to go on. */
let isSlow: boolean;
let goOn: Deferred<void>;

beforeEach(() => {
  got = [];
  open = new Set();
  isSlow = false;
  goOn = deferred();
});
afterEach(async () => {
  mail?.close();
  goOn.resolve();
  await new Promise<void>((resolve) => server.close(resolve));
});

/** Waits for `goOn` where `slow` says so. */
async function start(slow: keyof SMTPServerOptions | undefined, answerMs = 60_000): Promise<void> {
  const step = (at: keyof SMTPServerOptions, done: () => void) => {
    if (at !== slow) return done();
    isSlow = true;
    void goOn.promise.then(() => done());
  };
  server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    onConnect: ({ id }, done) => {
      open.add(id);
      step('onConnect', done);
    },
    onClose: ({ id }) => void open.delete(id),
    onMailFrom: (_address, _session, done) => step('onMailFrom', done),
    onRcptTo: ({ address }, _session, done) =>
      address === 'gone@example.org'
        ? done(Object.assign(new Error('no such address'), { responseCode: 550 }))
        : step('onRcptTo', done),
    onData(stream, _session, done) {
      let text = '';
      stream.on('data', (chunk) => {
        text += chunk;
      });
      stream.on('end', () => {
        got.push(text);
        step('onData', done);
      });
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  mail = createMailSender({ url: `smtp://127.0.0.1:${port}`, from: 'a@b.example', timeoutMs: TIMEOUT_MS, answerMs });
}
const send = (to = 'landlord@example.org', what = delivery) =>
  mail?.send(to, what) ?? Promise.reject(new Error('none'));

describe('an e-mail', () => {
  it('counts as delivered where the server takes it long after it had all of it', async () => {
    await start('onData');
    const sending = send();
    await Promise.race([sending, eventually('the message', () => isSlow)]);
    setTimeout(goOn.resolve, 2 * TIMEOUT_MS);
    await sending;
    expect(got[0]).toContain(`Message-ID: <${delivery.id}@belfry>`);
    expect(got).toHaveLength(1);
  });

  it('counts as delivered also where it takes several chunks', async () => {
    await start(undefined);
    const event = { property_id: '1', timestamp: 1, severity: 'low', message: 'm'.repeat(2_000) };
    const events = Array.from({ length: 500 }, () => event) as unknown as Delivery['events'];
    await send('landlord@example.org', { ...delivery, events });
    expect(got[0]?.length).toBeGreaterThan(1_000_000);
  });

  it('is given up where a server that had all of it never answers', async () => {
    await start('onData', 100);
    await expect(send()).rejects.toThrow('no answer within 100 ms');
    await eventually('the end of the connection', () => open.size === 0);
  });

  it.each(['onConnect', 'onMailFrom', 'onRcptTo'] as const)(
    'is given up where the server hangs in %s, which gets nothing later',
    async (slow) => {
      await start(slow);
      await expect(send()).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`);
      expect(isSlow).toBe(true);
      goOn.resolve();
      await eventually('the end of the connection', () => open.size === 0);
      expect(got).toEqual([]);
    },
  );

  it('is not tried again where the server refuses its address for good', async () => {
    await start(undefined);
    await expect(send('gone@example.org')).rejects.toThrow(Undeliverable);
  });

  it('is given up when its sender is closed', async () => {
    await start('onMailFrom');
    const sending = send();
    const ended = expect(sending).rejects.toThrow('closed before');
    await eventually('a server that hangs', () => isSlow);
    mail?.close();
    await ended;
    goOn.resolve();
    await eventually('the end of the connection', () => open.size === 0);
    expect(got).toEqual([]);
  });
});
