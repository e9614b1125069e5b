/** A signing key is rotated under a running gateway: add the new one, sign with it, remove the old one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, mintToken, startGateway, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

const OLD = 'the-old-secret-that-is-long-enough-0001';
const NEW = 'the-new-secret-that-is-long-enough-0002';
/** Twice the ten seconds in which secret files are read again. */
const ROTATION = { timeout: 20_000, interval: 250 };

let redis: TestRedis;
let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  redis = await startRedis();
  folder = mkdtempSync(join(tmpdir(), 'belfry-rotation-'));
});
afterAll(async () => {
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('takes tokens of the new key without a restart, and the old ones for as long as both are mounted', async () => {
  writeFileSync(file('current'), OLD);
  writeFileSync(file('previous'), '');
  writeFileSync(file('redis'), redis.url);
  const gateway = await startGateway({
    JWT_SECRET: '',
    JWT_SECRET_FILE: file('current'),
    JWT_PREVIOUS_SECRET_FILE: file('previous'),
    REDIS_URL: '',
    REDIS_URL_FILE: file('redis'),
    NODE_ENV: 'production',
  });
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

  writeFileSync(file('previous'), OLD);
  writeFileSync(file('current'), NEW);
  await vi.waitFor(async () => expect(await signedIn(NEW)).toBe(true), ROTATION);
  await vi.waitFor(async () => expect(await signedIn(OLD)).toBe(true), ROTATION);
  writeFileSync(file('previous'), '');
  await vi.waitFor(async () => expect(await signedIn(OLD)).toBe(false), ROTATION);
  // Nobody was disconnected for it.
  await longLived.settled();
  await gateway.stop();
  expect(JSON.stringify(gateway.logs())).not.toContain('long-enough');
}, 60_000);
