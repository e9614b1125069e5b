/**
 * The load test inside a cluster, without one: k6 is called with what the TestRun says and as k6-operator 1.6 calls it. It
 * reads the script out of an archive, has two runners wait, and starts both through their REST doors.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  eventually,
  freePorts,
  ownFolder,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
} from '@belfry/testkit';
import { afterAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { OPTIONS, type Option } from '../loadtest/src/k6/settings.ts';
import { K6 } from '../scripts/k6.mjs';
import { run } from '../scripts/processes.mjs';
import { ROOT } from '../scripts/setup.mjs';
import { provideK6 } from './outside-tools.ts';

const SCRIPT = join(ROOT, 'loadtest', 'src', 'k6', 'main.ts');
const TEST_RUN = join(ROOT, 'deploy', 'k8s', 'components', 'load-test', 'testrun.yaml');

const { spec } = parse(readFileSync(TEST_RUN, 'utf8'));
const given: { name: string; value: string }[] = spec.runner.env;
const k6 = await provideK6();
const folder = ownFolder('testrun');
const stops: (() => Promise<unknown>)[] = [() => folder.remove()];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** The TestRun's own environment, smaller and shorter and with our addresses. */
async function environment(): Promise<Record<string, string>> {
  const redis = await startRedis();
  stops.push(() => redis.stop());
  const publisher = await startPublisher({ REDIS_URL: redis.url });
  stops.push(() => publisher.stop());
  const gateway = await startGateway({ REDIS_URL: redis.url, SHUTDOWN_SECONDS: '1' });
  stops.push(() => gateway.stop());
  const secret = join(folder.path, 'jwt-secret');
  const token = join(folder.path, 'publisher-token');
  writeFileSync(secret, `${TEST_SECRET}\n`);
  writeFileSync(token, '');
  return {
    ...Object.fromEntries(given.map(({ name, value }) => [name, value])),
    LOAD_CONNECTIONS: '40',
    LOAD_PROPERTIES: '2',
    LOAD_VUS: '4',
    LOAD_RAMP_SECONDS: '1',
    LOAD_SETTLE_SECONDS: '1',
    LOAD_DURATION_SECONDS: '4',
    LOAD_RATE: '20',
    // How long it takes is not judged here.
    LOAD_P50_MS: '10000',
    LOAD_P99_MS: '20000',
    LOAD_READY_P99_MS: '20000',
    LOAD_GATEWAYS: gateway.wsUrl,
    LOAD_PUBLISHER: publisher.url,
    JWT_SECRET_FILE: secret,
    PUBLISHER_TOKEN_FILE: token,
  };
}

it('a TestRun has the k6 that a load test from outside has', () => {
  expect(spec.runner.image).toBe(`docker.io/grafana/k6:${K6.version}`);
  expect(spec.initializer.image).toBe(spec.runner.image);
});

it('a TestRun sets nothing that the load test does not read: a misspelt name would count for nothing', () => {
  const options: Option[] = Object.values(OPTIONS);
  const read = options.flatMap(({ env, secret }) => (secret ? [env, `${env}_FILE`] : [env]));
  const ofTheLoadTest = given.map(({ name }) => name).filter((name) => !/^(K6_|GO)/.test(name));
  expect(ofTheLoadTest).toContain('LOAD_GATEWAYS');
  expect(['LOAD_SCENARIO', ...read]).toEqual(expect.arrayContaining(ofTheLoadTest));
});

it.skipIf(!k6)(
  'two k6 with half of the connections each wait for the operator, and every event comes to every client (needs k6)',
  async () => {
    const own = await environment();
    const env = { ...process.env, ...own };
    const command = k6 ?? '';

    // The initializer: it hands the environment over by name, and reads no other.
    const archive = join(folder.path, 'main.ts.archived.tar');
    const values = Object.entries(own).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const archived = await run(command, ['archive', SCRIPT, ...values, '-O', archive]);
    expect(archived.code, archived.output).toBe(0);
    const inspected = await run(command, ['inspect', '--execution-requirements', archive]);
    expect(JSON.parse(inspected.output)).toMatchObject({ maxVUs: 5, discardResponseBodies: true });

    const ports = await freePorts(spec.parallelism);
    const runners = ports.map((port, index) => {
      const segment = [`--execution-segment=${index}/2:${index + 1}/2`, '--execution-segment-sequence=0,1/2,1'];
      const tags = ['--tag', `instance_id=${index + 1}`, '--tag', 'testrun_name=load-test'];
      const waits = [`--address=127.0.0.1:${port}`, '--paused'];
      const args = ['run', '--quiet', ...segment, ...spec.args, SCRIPT, ...waits, ...tags];
      return run(command, args, { env: { ...env, LOAD_SUMMARY: join(folder.path, `${index}.json`) } });
    });
    const doors = ports.map((port) => `http://127.0.0.1:${port}/v1/status`);
    for (const door of doors) {
      await eventually('k6 that waits', async () => {
        const { data } = (await (await fetch(door)).json()) as { data: { attributes: { paused: boolean } } };
        return data.attributes.paused;
      });
    }
    // The starter.
    const body = JSON.stringify({
      data: { attributes: { paused: false, stopped: false }, id: 'default', type: 'status' },
    });
    for (const door of doors) {
      const answer = await fetch(door, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body });
      expect(answer.status).toBe(200);
    }

    for (const { code, output } of await Promise.all(runners)) {
      expect(output).toContain('PASSED');
      expect(code).toBe(0);
    }
    const results = ports.map((_, index) => JSON.parse(readFileSync(join(folder.path, `${index}.json`), 'utf8')));
    const counts = (name: string, value = 'count') => results.map(({ metrics }) => metrics[name]?.[value] ?? 0);
    const total = (name: string) => counts(name).reduce((sum, count) => sum + count, 0);
    expect(counts('connect_success', 'passes')).toEqual([20, 20]);
    expect(total('events_published')).toBeGreaterThan(50);
    // Twenty clients follow each of two properties.
    expect(total('events_received')).toBe(20 * total('events_published'));
  },
  120_000,
);
