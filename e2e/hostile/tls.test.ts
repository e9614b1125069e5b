/** TLS to Redis and for clients: with the right certificates everything works, with wrong ones nothing is sent. */
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import {
  freePort,
  mintToken,
  ownFolder,
  StartFailed,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Certificates, makeCertificates } from './certificates.js';

const folder = ownFolder('tls');
let right: Certificates;
let other: Certificates;
let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;
let redisUrl: string;
const token = mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1'] });

beforeAll(async () => {
  right = makeCertificates(folder.path);
  other = makeCertificates(folder.path, 'other');
  // The port without TLS stays for the test's own connections.
  const tlsPort = await freePort();
  const tls = ['--tls-port', `${tlsPort}`, '--tls-cert-file', right.cert, '--tls-key-file', right.key];
  redis = await startRedis({ args: [...tls, '--tls-ca-cert-file', right.ca, '--tls-auth-clients', 'optional'] });
  redisUrl = `rediss://127.0.0.1:${tlsPort}/0`;
  [gateway, publisher] = await Promise.all([
    startGateway({ REDIS_URL: `${redisUrl}?ca=${right.ca}`, TLS_CERT_FILE: right.cert, TLS_KEY_FILE: right.key }),
    startPublisher({ REDIS_URL: `${redisUrl}?ca=${right.ca}` }),
  ]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), publisher?.stop()]);
  await redis?.stop();
  await folder.remove();
});

it('an event goes from a service over HTTP, through Redis with TLS, to a client with TLS', async () => {
  const url = `wss://127.0.0.1:${gateway.port}/ws`;
  const client = new WebSocket(url, { ca: readFileSync(right.ca), headers: { authorization: `Bearer ${token}` } });
  const frames: string[] = [];
  const came = (type: string) =>
    within(
      new Promise<void>((resolve) => {
        const look = () => frames.some((each) => each.includes(`"type":"${type}"`)) && resolve();
        client.on('message', look);
        look();
      }),
      type,
    );
  client.on('message', (data) => frames.push(String(data)));
  await came('AUTHENTICATED');
  client.send('{"type":"SUBSCRIBE","property_id":"1"}');
  await came('SUBSCRIBED');
  const response = await fetch(`${publisher.url}/v1/changes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"property_id":"1","violation_type":"HPD","count":3}',
  });
  expect(response.status).toBe(202);
  await came('VIOLATION_UPDATE');
  client.terminate();
  const clients = await redis.connect().client('LIST');
  // Of the port that has no TLS there is this connection, and none of theirs.
  expect(
    String(clients)
      .split('\n')
      .filter((each) => each.includes(`laddr=127.0.0.1:${redis.port}`) && /name=\S*:/.test(each)),
  ).toEqual([]);
});

it('a client without TLS, with TLS 1.1, or of another authority gets nothing', async () => {
  const ws = `127.0.0.1:${gateway.port}/ws`;
  const refused = (url: string, ca?: Buffer) =>
    new Promise<boolean>((resolve) => {
      const client = new WebSocket(url, ca ? { ca } : {});
      client.once('open', () => resolve(false));
      client.once('error', () => resolve(true));
    });
  expect(await refused(`ws://${ws}`)).toBe(true);
  expect(await refused(`wss://${ws}`)).toBe(true);
  expect(await refused(`wss://${ws}`, readFileSync(other.ca))).toBe(true);
  const old = await new Promise<string>((resolve) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: gateway.port,
      ca: readFileSync(right.ca),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    socket.once('secureConnect', () => resolve('connected'));
    socket.once('error', () => resolve('refused'));
  });
  expect(old).toBe('refused');
});

describe('a process that does not trust Redis’ certificate', () => {
  it.each([
    ['with no authority named', () => redisUrl],
    ['with another authority', () => `${redisUrl}?ca=${other.ca}`],
  ])('is never ready, and says nothing to it, %s', async (_, url) => {
    const doubting = await startGateway({ REDIS_URL: url() });
    expect((await fetch(`${doubting.operatorUrl}/readyz`)).status).toBe(503);
    await doubting.stop();
  });

  it('does not start where the file of the authority is missing', async () => {
    const failure = await startGateway({ REDIS_URL: `${redisUrl}?ca=/nowhere.pem` }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartFailed);
  });
});

it.each([
  ['only the certificate', () => ({ TLS_CERT_FILE: right.cert }), /need each other/],
  ['another certificate’s key', () => ({ TLS_CERT_FILE: right.cert, TLS_KEY_FILE: other.key }), /is not the key of/],
  ['a file that is not there', () => ({ TLS_CERT_FILE: '/nowhere', TLS_KEY_FILE: right.key }), /cannot be used/],
])('a gateway with %s does not start, and says why', async (_, env, message) => {
  const failure = await startGateway({ REDIS_URL: redis.url, ...env() }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StartFailed);
  expect((failure as StartFailed).output).toMatch(message);
});
