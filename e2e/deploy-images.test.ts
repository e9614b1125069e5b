/**
 * What the images promise. Building and running them takes minutes and root: only where it is asked for, with
 * `IMAGES=1 npm test -- e2e/deploy-images`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, mintToken, serviceCommand, startRedis, TEST_SECRET, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { argument, build, missing, start } from '../deploy/verify/images.mjs';
import { find } from '../deploy/verify/objects.mjs';
import { K8S, render } from '../deploy/verify/render.mjs';
import { findTool } from '../deploy/verify/tools.mjs';

const ROOT = join(K8S, '..', '..');
const dockerfile = readFileSync(join(ROOT, 'deploy', 'docker', 'Dockerfile'), 'utf8').replace(/^\s*#.*\n/gm, '');
const kubectl = findTool('kubectl');

/** A final stage's lines, by its name. */
const stage = (name: string) =>
  dockerfile.split(/^FROM /m).find((text) => text.split('\n')[0]?.endsWith(` AS ${name}`)) ?? '';

describe('the Dockerfile', () => {
  it('starts from exact versions', () => {
    for (const name of ['NODE_IMAGE', 'DEBIAN_IMAGE', 'NGINX_IMAGE']) {
      expect(argument(name)).toMatch(/^docker\.io\/library\/\w+:.*\d+[\w.-]*$/);
    }
    expect(dockerfile).not.toMatch(/:latest|npm ci\b/);
  });

  it.each(['gateway', 'publisher', 'canary', 'dashboard'])(
    'ends %s as a user without a name and without npm',
    (name) => {
      const base = /^FROM node AS/m.test(`FROM ${stage(name)}`) ? stage('node') : stage(name);
      expect(base).toMatch(/^USER 10001:10001$/m);
      expect(stage(name)).not.toMatch(/npm/);
      expect(stage(name)).toMatch(/^CMD \[/m);
    },
  );

  it.each(['gateway', 'publisher'] as const)('starts the %s as its package does', (name) => {
    const { options } = serviceCommand(name);
    expect(options).not.toEqual([]);
    expect(stage(name)).toContain(
      `CMD ${JSON.stringify(['node', ...options, `packages/${name}/dist/main.js`]).replaceAll(',', ', ')}`,
    );
  });

  it.skipIf(!kubectl)('has a target for every image that is deployed (needs kubectl)', async () => {
    const objects = await render(kubectl ?? '', join(K8S, 'overlays', 'prod'));
    const images = find(objects, 'Deployment').map(({ spec }) => spec.template.spec.containers[0].image as string);
    expect(images).toHaveLength(4);
    for (const image of images) expect(stage(/belfry\/(\w+):/.exec(image)?.[1] ?? ''), image).not.toBe('');
  });
});

const asked = process.env.IMAGES === '1';
const lacking = missing();

describe.skipIf(!asked || lacking)(
  `the images (IMAGES=1; ${lacking ? `${lacking} is missing` : 'all tools are here'})`,
  () => {
    let redis: TestRedis;
    const images = new Map<string, { image: string; bytes: number }>();
    const secret = TEST_SECRET;

    beforeAll(async () => {
      redis = await startRedis();
      for (const target of ['gateway', 'publisher', 'canary', 'dashboard']) images.set(target, await build(target));
    }, 1_800_000);
    afterAll(async () => redis?.stop());

    it('are small', () => {
      for (const [target, { bytes }] of images) expect(bytes, target).toBeLessThan(320e6);
    });

    it('run as a pod runs them, together pass an event on, and end on SIGTERM by themselves', async () => {
      const image = (target: string) => images.get(target)?.image ?? '';
      const local = { OPERATOR_HOST: '127.0.0.1', REDIS_URL: redis.url, NODE_ENV: 'production' };
      const token = 'a-token-of-the-publisher-that-is-long-enough';
      const gateway = start(image('gateway'), {
        ...local,
        ...{ JWT_SECRET: secret, WEBSOCKET_HOST: '127.0.0.1', WEBSOCKET_PORT: '28765', OPERATOR_PORT: '29765' },
      });
      const publisher = start(image('publisher'), {
        ...local,
        ...{ PUBLISHER_TOKEN: token, HTTP_HOST: '127.0.0.1', HTTP_PORT: '28770', OPERATOR_PORT: '29770' },
      });
      const canary = start(image('canary'), {
        ...{ OPERATOR_HOST: '127.0.0.1', OPERATOR_PORT: '29775', JWT_SECRET: secret, PUBLISHER_TOKEN: token },
        ...{ GATEWAY_URL: 'ws://127.0.0.1:28765/ws', PUBLISHER_URL: 'http://127.0.0.1:28770', INTERVAL_MS: '50' },
      });
      try {
        const ready = async (port: number) => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
        for (const port of [29765, 29770, 29775]) {
          await vi.waitFor(async () => expect(await ready(port)).toBe(200), { timeout: 120_000, interval: 500 });
        }
        const client = await connect('ws://127.0.0.1:28765/ws', { token: mintToken({ user_id: 'hr', role: 'HR' }) });
        client.send({ type: 'SUBSCRIBE', property_id: '1012650001' });
        await client.next('SUBSCRIBED');
        const accepted = await fetch('http://127.0.0.1:28770/v1/events', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body: JSON.stringify({ type: 'inspection', channel: 'property:1012650001', floor: 3 }),
        });
        expect(accepted.status).toBe(202);
        expect(await client.next('inspection')).toMatchObject({ floor: 3 });
        const live = /^belfry_canary_deliveries_total\{outcome="live"\} (\d+)$/m;
        await vi.waitFor(
          async () => {
            const metrics = await (await fetch('http://127.0.0.1:29775/metrics')).text();
            expect(Number(live.exec(metrics)?.[1])).toBeGreaterThan(10);
            expect(metrics).toContain('service="canary",version="0.1.0",node="v22.');
          },
          { timeout: 30_000, interval: 500 },
        );
      } finally {
        const ends = await Promise.all([canary, publisher, gateway].map((container) => container.stop()));
        expect(ends.map(({ code, output }) => (code === 0 ? 0 : output))).toEqual([0, 0, 0]);
      }
    }, 300_000);

    it('serve the dashboard’s pages, and say so', async () => {
      const dashboard = start(images.get('dashboard')?.image ?? '', {});
      const answer = (path: string) => fetch(`http://127.0.0.1:8080${path}`);
      try {
        await vi.waitFor(async () => expect((await answer('/readyz')).status).toBe(200), {
          timeout: 120_000,
          interval: 500,
        });
        const page = await answer('/');
        expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
        const config = async (port: number) => (await fetch(`http://127.0.0.1:${port}/config.json`)).json();
        expect(await config(8080)).not.toHaveProperty('operators');
        expect(await config(8081)).toHaveProperty('operators', '/operators');
        const script = /src="\.(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1];
        const loaded = await answer(script ?? '');
        expect([loaded.status, loaded.headers.get('cache-control')]).toEqual([
          200,
          expect.stringContaining('immutable'),
        ]);
      } finally {
        expect((await dashboard.stop()).code).toBe(0);
      }
    }, 180_000);
  },
);
