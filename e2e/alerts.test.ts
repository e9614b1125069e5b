/** Alerts from a change to a receiver: real webhooks, a real SMTP server, real processes. */

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  eventually,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';

interface Hook {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;
let receiver: Server;
let mail: SMTPServer;
let smtpUrl: string;
const hooks: Hook[] = [];
const mails: string[] = [];
/** Answers by path; 200 where there is none. */
const answers = new Map<string, () => number>();
const SECRET = 'a-secret-for-webhooks';

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const path = request.url ?? '';
    const status = answers.get(path)?.() ?? 200;
    if (status === 0) return;
    if (status === 200) hooks.push({ path, headers: request.headers, body });
    response.writeHead(status).end();
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  mail = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _, done) {
      let text = '';
      stream.on('data', (chunk) => {
        text += chunk;
      });
      stream.on('end', () => {
        mails.push(text);
        done();
      });
    },
  });
  const smtp = mail.listen(0, '127.0.0.1');
  await once(smtp, 'listening');
  smtpUrl = `smtp://127.0.0.1:${(smtp.address() as AddressInfo).port}`;
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url });
  publisher = await startPublisher({
    REDIS_URL: redis.url,
    SMTP_URL: smtpUrl,
    SMS_URL: url('/sms'),
    ALLOW_PRIVATE_WEBHOOKS: 'true',
    DELIVERY_RETRY_MS: '50',
    DELIVERY_TIMEOUT_MS: '1000',
    SOURCES_ENABLED: 'false',
  });
  // Alerts begin with what happens from the first look at the log on, a moment after the publisher listens.
  await eventually('somebody who looks for alerts', () =>
    redis.connect().get('belfry:{alerts}:checkpoint').then(Boolean),
  );
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), publisher?.stop()]);
  await redis?.stop();
  await new Promise((resolve) => mail.close(() => resolve(undefined)));
  receiver.closeAllConnections();
  receiver.close();
});

const url = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`;

async function prefer(
  user: string,
  preferences: unknown,
  claims: Record<string, unknown> = { role: 'LANDLORD', properties: ['1', '2'] },
) {
  const authorization = `Bearer ${mintToken({ user_id: user, ...claims })}`;
  return await fetch(`${gateway.url}/v1/preferences`, {
    method: 'PUT',
    headers: { authorization },
    body: JSON.stringify(preferences),
  });
}

async function report(property: string, violations: unknown[], type = 'HPD') {
  const response = await fetch(`${publisher.url}/v1/changes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ property_id: property, violation_type: type, violations }),
  });
  expect(response.status).toBe(202);
}

const hooked = (path: string) => hooks.filter((hook) => hook.path === path);
const arrives = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 });

describe('preferences', () => {
  it('are the user’s own, written and read with the user’s token', async () => {
    const preferences = { email: 'landlord@example.org', rules: [{ id: 'all', properties: '*', via: ['email'] }] };
    expect((await prefer('reader', preferences)).status).toBe(200);
    const authorization = `Bearer ${mintToken({ user_id: 'reader' })}`;
    const read = await fetch(`${gateway.url}/v1/preferences`, { headers: { authorization } });
    expect(await read.json()).toMatchObject({
      email: 'landlord@example.org',
      rules: [{ id: 'all', min_severity: 'info', digest: 'none' }],
    });
    expect((await fetch(`${gateway.url}/v1/preferences`)).status).toBe(401);
  });

  it.each([
    ['a way that is not set', { rules: [{ id: 'a', properties: '*', via: ['sms'] }] }, /sms/],
    ['a webhook that is none', { webhook: { url: 'ftp://x', secret: SECRET }, rules: [] }, /webhook/],
    ['a short secret', { webhook: { url: 'https://example.org', secret: 'short' }, rules: [] }, /secret/],
    ['an unknown field', { rules: [], respondent: 'x' }, /respondent/],
    [
      'two rules of one name',
      { email: 'a@example.org', rules: [1, 2].map(() => ({ id: 'a', properties: '*', via: ['email'] })) },
      /twice/,
    ],
  ])('with %s are refused with what is wrong', async (_, preferences, message) => {
    const response = await prefer('reader', preferences);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ message: expect.stringMatching(message) });
  });
});

describe('a way by which nothing leaves', () => {
  it('is told of with the rules that name it, which are kept, and work once a publisher has it', async () => {
    const ownRedis = await startRedis();
    onTestFinished(() => ownRedis.stop());
    const ownGateway = await startGateway({ REDIS_URL: ownRedis.url });
    onTestFinished(async () => void (await ownGateway.stop()));
    const settings = { REDIS_URL: ownRedis.url, SOURCES_ENABLED: 'false' };
    const without = await startPublisher(settings);
    onTestFinished(async () => void (await without.stop()));
    await eventually('word of webhooks', () => ownRedis.connect().get('belfry:{alerts}:way:webhook').then(Boolean));
    const preferences = {
      email: 'landlord-9@example.org',
      webhook: { url: url('/way'), secret: SECRET },
      rules: [{ id: 'all', properties: '*', via: ['email', 'webhook'] }],
    };
    const headers = {
      authorization: `Bearer ${mintToken({ user_id: 'landlord-9', role: 'LANDLORD', properties: '*' })}`,
    };
    const call = async (body?: unknown) => {
      const init = body === undefined ? { headers } : { method: 'PUT', headers, body: JSON.stringify(body) };
      const response = await fetch(`${ownGateway.url}/v1/preferences`, init);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const written = await call(preferences);
    expect(written).toMatchObject({ status: 200, body: { undeliverable: ['email'] } });
    // As whoever changes one rule sends back all that they read.
    expect((await call(written.body)).status).toBe(200);
    expect((await call()).body).toMatchObject({ rules: [{ id: 'all' }], undeliverable: ['email'] });

    await without.stop();
    const withMail = await startPublisher({ ...settings, SMTP_URL: smtpUrl });
    onTestFinished(async () => void (await withMail.stop()));
    await eventually('no more word of it', async () => (await call()).body.undeliverable === undefined);
    await eventually('somebody who looks for alerts', () =>
      ownRedis.connect().get('belfry:{alerts}:checkpoint').then(Boolean),
    );
    const change = { property_id: '9', violation_type: 'HPD', violations: [{ number: 'way-1' }] };
    const reported = await fetch(`${withMail.url}/v1/changes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(change),
    });
    expect(reported.status).toBe(202);
    await arrives(() => expect(mails.filter((text) => text.includes('landlord-9@example.org'))).toHaveLength(1));
  });
});

describe('an alert', () => {
  it('reaches a webhook, signed, once, for what the rule asks for and nothing else', async () => {
    await prefer('landlord-1', {
      webhook: { url: url('/signed'), secret: SECRET },
      rules: [{ id: 'bad', properties: ['1'], types: ['HPD'], min_severity: 'high', via: ['webhook'] }],
    });
    await report('1', [{ number: '1', severity: 'low' }]);
    await report('2', [{ number: '2', severity: 'critical' }]);
    await report('1', [{ number: '3', severity: 'critical' }], 'ECB');
    await report('1', [
      { number: '1', severity: 'low' },
      { number: '4', severity: 'critical' },
    ]);
    await arrives(() => expect(hooked('/signed')).toHaveLength(1));
    const [hook] = hooked('/signed');
    const timestamp = hook?.headers['belfry-timestamp'];
    const expected = createHmac('sha256', SECRET).update(`${timestamp}.${hook?.body}`).digest('hex');
    expect(hook?.headers['belfry-signature']).toBe(`v1=${expected}`);
    const body = JSON.parse(hook?.body ?? '{}');
    expect(body).toMatchObject({ user_id: 'landlord-1', rule: 'bad', delivery_id: hook?.headers['belfry-delivery'] });
    expect(body.events).toMatchObject([
      { property_id: '1', violation_type: 'HPD', new_violations: 1, severity: 'critical' },
    ]);
  });

  it('reaches an inbox over SMTP, and a phone through the provider', async () => {
    await prefer('landlord-2', {
      email: 'landlord@example.org',
      sms: '+12125550100',
      rules: [{ id: 'all', properties: '*', via: ['email', 'sms'] }],
    });
    await report('2', [
      { number: '2', severity: 'critical' },
      { number: '20', severity: 'high' },
    ]);
    await arrives(() => expect(mails.some((text) => text.includes('To: landlord@example.org'))).toBe(true));
    await arrives(() => expect(hooked('/sms').map(({ body }) => JSON.parse(body).to)).toContain('+12125550100'));
  });

  it('is tried again when its receiver fails, and a receiver that hangs keeps nobody waiting', async () => {
    let failures = 2;
    answers.set('/failing', () => (failures-- > 0 ? 500 : 200));
    answers.set('/hanging', () => 0);
    const rule = { id: 'all', properties: ['1'], via: ['webhook'] };
    for (const name of ['failing', 'hanging', 'quick']) {
      await prefer(`landlord-${name}`, {
        webhook: {
          url: url(`/${name}`).replace('127.0.0.1', name === 'hanging' ? 'localhost' : '127.0.0.1'),
          secret: SECRET,
        },
        rules: [rule],
      });
    }
    await report('1', [
      { number: '1', severity: 'low' },
      { number: '5', severity: 'low' },
    ]);
    await arrives(() => expect(hooked('/quick')).toHaveLength(1));
    await arrives(() => expect(hooked('/failing')).toHaveLength(1));
    expect(hooked('/hanging')).toHaveLength(0);
  });

  it('that is given up is told of to its user, with why and without the address, and to nobody else', async () => {
    answers.set('/gone?key=in-the-url', () => 410);
    const rules = [{ id: 'fuel', properties: '*', types: ['DEP'], via: ['webhook'] }];
    await prefer('landlord-gone', { webhook: { url: url('/gone?key=in-the-url'), secret: SECRET }, rules });
    await prefer('landlord-lucky', { webhook: { url: url('/lucky'), secret: SECRET }, rules });
    const told = async (user: string, properties: string[] = ['1', '2']) => {
      const authorization = `Bearer ${mintToken({ user_id: user, role: 'LANDLORD', properties })}`;
      const response = await fetch(`${gateway.url}/v1/undelivered`, { headers: { authorization } });
      expect(response.status).toBe(200);
      return await response.text();
    };
    await report('1', [{ number: 'dep-1', severity: 'low' }], 'DEP');
    const listed = async () => (JSON.parse(await told('landlord-gone')) as { undelivered: unknown[] }).undelivered;
    await arrives(async () => expect(await listed()).toHaveLength(1));
    expect(await listed()).toEqual([
      {
        delivery_id: expect.stringContaining('landlord-gone_webhook'),
        rule: 'fuel',
        way: 'webhook',
        reason: 'refused',
        timestamp: expect.closeTo(Date.now() / 1_000, -2),
        events: [{ property_id: '1', message: expect.any(String) }],
        more: 0,
      },
    ]);
    expect(await told('landlord-gone')).not.toMatch(/in-the-url|127\.0\.0\.1|a-secret/);
    await arrives(() => expect(hooked('/lucky')).toHaveLength(1));
    for (const other of ['landlord-lucky', 'stranger', 'landlord']) {
      expect(JSON.parse(await told(other))).toEqual({ undelivered: [] });
    }
    // Of a property that she has lost she hears nothing any more.
    expect(JSON.parse(await told('landlord-gone', ['2']))).toEqual({ undelivered: [] });
    expect((await fetch(`${gateway.url}/v1/undelivered`)).status).toBe(401);
  });

  it('does not speak of properties that the token did not allow', async () => {
    await prefer(
      'stranger',
      {
        webhook: { url: url('/stranger'), secret: SECRET },
        rules: [{ id: 'all', properties: ['9', '1'], via: ['webhook'] }],
      },
      { role: 'LANDLORD', properties: ['1'] },
    );
    await report('9', [{ number: '90', severity: 'critical' }]);
    await report('1', [
      { number: '1', severity: 'low' },
      { number: '5', severity: 'low' },
      { number: '6', severity: 'low' },
    ]);
    await arrives(() => expect(hooked('/stranger')).toHaveLength(1));
    expect(JSON.parse(hooked('/stranger')[0]?.body ?? '{}').events).toMatchObject([{ property_id: '1' }]);
  });

  it('ends for a property that the user’s newest token does not name any more, and for a user who was revoked', async () => {
    const rules = [{ id: 'all', properties: '*', types: ['FDNY'], via: ['webhook'] }];
    for (const name of ['narrowed', 'revoked', 'witness']) {
      await prefer(name, { webhook: { url: url(`/${name}`), secret: SECRET }, rules });
    }
    const narrower = mintToken({ user_id: 'narrowed', role: 'LANDLORD', properties: ['2'] });
    await fetch(`${gateway.url}/v1/preferences`, { headers: { authorization: `Bearer ${narrower}` } });
    expect((await gateway.operate('/ws/revoke', { body: { user_id: 'revoked' } })).status).toBe(200);
    const marks = () => redis.connect().hmget('belfry:{alerts}:access', 'narrowed', 'revoked');
    await arrives(async () => expect(await marks()).toEqual(['["2"]', '[]']));
    await report('1', [{ number: 'a', severity: 'low' }], 'FDNY');
    await report('2', [{ number: 'b', severity: 'low' }], 'FDNY');
    await arrives(() => expect(hooked('/witness')).toHaveLength(2));
    await arrives(() => expect(hooked('/narrowed')).toHaveLength(1));
    expect(JSON.parse(hooked('/narrowed')[0]?.body ?? '{}').events).toMatchObject([{ property_id: '2' }]);
    expect(hooked('/revoked')).toHaveLength(0);
  });

  it('waits for a publisher that was killed: nothing is forgotten, nothing comes twice', async () => {
    await prefer('landlord-3', {
      webhook: { url: url('/survivor'), secret: SECRET },
      rules: [{ id: 'all', properties: ['2'], types: ['DOB'], via: ['webhook'] }],
    });
    await report('2', [{ number: 'a', severity: 'low' }], 'DOB');
    await arrives(() => expect(hooked('/survivor')).toHaveLength(1));
    const env = {
      REDIS_URL: redis.url,
      ALLOW_PRIVATE_WEBHOOKS: 'true',
      SOURCES_ENABLED: 'false',
      INTAKE_LEASE_MS: '2000',
    };
    const other = await startPublisher(env);
    try {
      await publisher.kill();
      const response = await fetch(`${other.url}/v1/changes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          property_id: '2',
          violation_type: 'DOB',
          violations: [{ number: 'a' }, { number: 'b' }],
        }),
      });
      expect(response.status).toBe(202);
      await vi.waitFor(() => expect(hooked('/survivor')).toHaveLength(2), { timeout: 40_000, interval: 100 });
      const ids = hooked('/survivor').map(({ headers }) => headers['belfry-delivery']);
      expect(new Set(ids).size).toBe(2);
    } finally {
      await other.stop();
    }
  }, 120_000);
});
