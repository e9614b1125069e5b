/** Keys and tokens are rotated under running processes, as Kubernetes does it: add the new one, use it, remove the old one. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connect,
  mintOperatorToken,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const OLD = 'the-old-secret-that-is-long-enough-0001';
const NEW = 'the-new-secret-that-is-long-enough-0002';
/** Three times the ten seconds in which secret files are read again. */
const ROTATION = { timeout: 30_000, interval: 250 };
const DEADLINE_MS = 120_000;

let redis: TestRedis;
let folder: string;
const processes: TestProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  folder = mkdtempSync(join(tmpdir(), 'belfry-rotation-'));
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.stop()));
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A Secret as a kubelet mounts it: links to a folder behind a link, which is replaced in one step. */
function mountSecret(name: string, keys: Readonly<Record<string, string>>) {
  const mount = join(folder, name);
  let version = 0;
  const replace = (values: Readonly<Record<string, string>>): void => {
    version += 1;
    const data = `..${version}`;
    mkdirSync(join(mount, data), { recursive: true });
    for (const [key, value] of Object.entries(values)) writeFileSync(join(mount, data, key), value);
    symlinkSync(data, join(mount, '..data_tmp'));
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    rmSync(join(mount, `..${version - 1}`), { recursive: true, force: true });
  };
  replace(keys);
  for (const key of Object.keys(keys)) symlinkSync(join('..data', key), join(mount, key));
  return { path: (key: string) => join(mount, key), replace };
}

const asOperator = async (process: TestProcess, path: string, secret: string) => {
  const authorization = `Bearer ${mintOperatorToken('operator', { secret })}`;
  return (await fetch(`${process.operatorUrl}${path}`, { headers: { authorization } })).status;
};

describe.concurrent('without a restart', () => {
  it('a gateway takes tokens of the new key, and the old ones for as long as both are mounted', {
    timeout: DEADLINE_MS,
  }, async () => {
    const keys = { current: OLD, previous: '', redis: redis.url };
    const mounted = mountSecret('gateway', keys);
    const gateway = await startGateway({
      JWT_SECRET: '',
      JWT_SECRET_FILE: mounted.path('current'),
      JWT_PREVIOUS_SECRET_FILE: mounted.path('previous'),
      REDIS_URL: '',
      REDIS_URL_FILE: mounted.path('redis'),
      NODE_ENV: 'production',
    });
    processes.push(gateway);
    const signedIn = async (secret: string) => {
      const client = await connect(gateway.wsUrl);
      client.send({ type: 'AUTHENTICATE', token: mintToken({ user_id: 'manager' }, { secret }) });
      const answer = await client.next(undefined, (frame) => ['AUTHENTICATED', 'ERROR'].includes(frame.type));
      client.socket.terminate();
      return answer.type === 'AUTHENTICATED';
    };
    expect(await signedIn(OLD)).toBe(true);
    expect(await signedIn(NEW)).toBe(false);
    const longLived = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'landlord-7' }, { secret: OLD }) });

    mounted.replace({ ...keys, current: NEW, previous: OLD });
    await vi.waitFor(async () => expect(await signedIn(NEW)).toBe(true), ROTATION);
    expect(await signedIn(OLD)).toBe(true);
    mounted.replace({ ...keys, current: NEW });
    await vi.waitFor(async () => expect(await signedIn(OLD)).toBe(false), ROTATION);
    expect(await signedIn(NEW)).toBe(true);
    // Nobody was disconnected for it.
    await longLived.settled();
    expect(JSON.stringify(gateway.logs())).not.toContain('long-enough');
  });

  it('a publisher takes the new tokens of services, users and operators, and the old ones while they are mounted', {
    timeout: DEADLINE_MS,
  }, async () => {
    const keys = {
      ...{ token: OLD, 'previous-token': '', users: OLD, 'previous-users': '', operators: OLD, redis: redis.url },
    };
    const mounted = mountSecret('publisher', keys);
    const publisher = await startPublisher({
      PUBLISHER_TOKEN_FILE: mounted.path('token'),
      PUBLISHER_PREVIOUS_TOKEN_FILE: mounted.path('previous-token'),
      JWT_SECRET_FILE: mounted.path('users'),
      JWT_PREVIOUS_SECRET_FILE: mounted.path('previous-users'),
      OPERATOR_SECRET_FILE: mounted.path('operators'),
      REDIS_URL_FILE: mounted.path('redis'),
      NODE_ENV: 'production',
    });
    processes.push(publisher);
    const asService = async (token: string) => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
      const body = JSON.stringify({ type: 'inspection', channel: 'property:1012650001', floor: 3 });
      return (await fetch(`${publisher.url}/v1/events`, { method: 'POST', headers, body })).status;
    };
    const asUser = async (secret: string) => {
      const authorization = `Bearer ${mintToken({ user_id: 'landlord-7', properties: ['1012650001'] }, { secret })}`;
      return (await fetch(`${publisher.url}/v1/portfolio`, { headers: { authorization } })).status;
    };
    const answers = async (key: string) => [
      await asService(key),
      await asUser(key),
      await asOperator(publisher, '/dead-letters', key),
    ];
    expect(await answers(OLD)).toEqual([202, 200, 200]);
    expect(await answers(NEW)).toEqual([401, 401, 401]);

    mounted.replace({ ...keys, token: NEW, 'previous-token': OLD, users: NEW, 'previous-users': OLD, operators: NEW });
    await vi.waitFor(async () => expect(await answers(NEW)).toEqual([202, 200, 200]), ROTATION);
    // Of operators' secrets there is one at a time.
    expect(await answers(OLD)).toEqual([202, 200, 401]);
    mounted.replace({ ...keys, token: NEW, users: NEW, operators: NEW });
    await vi.waitFor(async () => expect(await answers(OLD)).toEqual([401, 401, 401]), ROTATION);
    expect(await answers(NEW)).toEqual([202, 200, 200]);
    expect(JSON.stringify(publisher.logs())).not.toContain('long-enough');
  });

  it('a gateway whose users’ keys are an issuer’s takes a new secret of operators', {
    timeout: DEADLINE_MS,
  }, async () => {
    const keys = { users: '', operators: OLD };
    const mounted = mountSecret('issued', keys);
    const gateway = await startGateway({
      JWT_SECRET: '',
      JWT_SECRET_FILE: mounted.path('users'),
      // Nobody signs in here, so nobody asks for its keys.
      JWT_JWKS_URL: 'http://127.0.0.1:9/jwks.json',
      OPERATOR_SECRET_FILE: mounted.path('operators'),
      REDIS_URL: redis.url,
      NODE_ENV: 'production',
    });
    processes.push(gateway);
    expect(await asOperator(gateway, '/ws/nodes', OLD)).toBe(200);
    mounted.replace({ ...keys, operators: NEW });
    await vi.waitFor(async () => expect(await asOperator(gateway, '/ws/nodes', NEW)).toBe(200), ROTATION);
    expect(await asOperator(gateway, '/ws/nodes', OLD)).toBe(401);
  });
});
