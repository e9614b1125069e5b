/**
 * The front door of one machine: the dashboard's server with the files of `deploy/compose/nginx`, before real gateways.
 * What is changed in those files is what only a container has: paths, ports, names of other containers.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, freePorts, mintOperatorToken, mintToken } from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { nginx } from '../deploy/verify/tools.mjs';
import { ROOT } from '../scripts/setup.mjs';
import { type Cluster, startCluster } from './dashboard-cluster.ts';
import { hasChromium, launchBrowser, signIn } from './dashboard-stage.ts';
import { type OutsideProgram, startOutside } from './outside-tools.ts';

const OPERATOR_SECRET = 'only-operators-are-signed-with-this-one';
const SOON = { timeout: 20_000, interval: 50 };
const server = await nginx();
const compose = parse(readFileSync(join(ROOT, 'deploy', 'compose', 'docker-compose.yml'), 'utf8'), { merge: true });

let cluster: Cluster;
let front: OutsideProgram;
let folder: string;
let everybody: string;
let operators: string;

/** Lays the files out as the compose file mounts them, for this machine. */
function configure(ports: readonly number[]): string {
  const etc = join(folder, 'etc');
  const docker = join(ROOT, 'deploy', 'docker');
  mkdirSync(etc);
  for (const name of ['nginx.conf', 'pages.conf']) cpSync(join(docker, name), join(etc, name));
  for (const volume of compose.services.dashboard.volumes as string[]) {
    const [source = '', target = ''] = volume.split(':');
    cpSync(join(ROOT, 'deploy', 'compose', source), join(etc, target.replace('/etc/nginx/', '')));
  }
  writeFileSync(join(etc, 'mime.types'), 'types { text/html html; text/css css; text/javascript js; }');
  // In this order: what took the place of one must not be found by the next.
  const changes: Readonly<Record<string, string>> = {
    '/tmp/': `${folder}/`,
    ...Object.fromEntries(
      cluster.gateways.flatMap(({ port, operatorPort }, index) => [
        [`gateway-${index + 1}:8765`, `127.0.0.1:${port}`],
        [`gateway-${index + 1}:9765`, `127.0.0.1:${operatorPort}`],
      ]),
    ),
    'publisher:8770': `127.0.0.1:${cluster.publisher.port}`,
    'listen 8080': `listen 127.0.0.1:${ports[0]}`,
    'listen 8081': `listen 127.0.0.1:${ports[1]}`,
    '/etc/nginx/': `${etc}/`,
    '/usr/share/nginx/html': join(ROOT, 'packages', 'dashboard', 'dist'),
    // Names are looked up again only by newer servers, and by Docker's own resolver.
    ' resolve ': ' ',
  };
  const files = readdirSync(etc, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.conf'));
  for (const file of files) {
    let text = readFileSync(join(etc, file), 'utf8');
    for (const [from, to] of Object.entries(changes)) text = text.replaceAll(from, to);
    writeFileSync(join(etc, file), text);
  }
  return join(etc, 'nginx.conf');
}

describe.skipIf(!server)('the front door of one machine (needs nginx)', () => {
  beforeAll(async () => {
    cluster = await startCluster({
      gateways: 2,
      gateway: { OPERATOR_SECRET, MAX_CONNECTIONS: '2' },
      publisher: { PUBLISHER_TOKEN: 'for-services' },
    });
    folder = mkdtempSync(join(tmpdir(), 'belfry-front-'));
    const ports = await freePorts(2);
    const file = configure(ports);
    [everybody = '', operators = ''] = ports.map((port) => `http://127.0.0.1:${port}`);
    // One process and in the foreground, so that it ends with the test.
    const more = 'daemon off; master_process off;';
    front = startOutside(server ?? '', ['-p', folder, '-e', 'stderr', '-c', file, '-g', more]);
    const status = () => fetch(`${everybody}/readyz`).then((answer) => answer.status, String);
    await vi.waitFor(async () => expect(await status(), front.output()).toBe(200), SOON);
  }, 60_000);
  afterAll(async () => {
    await front?.stop();
    await cluster?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const asOperator = (path: string, init: RequestInit = {}) =>
    fetch(`${operators}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${mintOperatorToken('operator', { secret: OPERATOR_SECRET })}` },
    });

  it('has the same pages at both ports, and tells only operators’ pages where the operators’ calls are', async () => {
    for (const url of [everybody, operators]) {
      const page = await fetch(url);
      expect([page.status, page.headers.get('x-frame-options')]).toEqual([200, 'DENY']);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(await page.text()).toContain('<div id="root">');
    }
    expect(await (await fetch(`${everybody}/config.json`)).json()).toEqual({ publisher: '/' });
    expect(await (await fetch(`${operators}/config.json`)).json()).toEqual({ publisher: '/', operators: '/operators' });
  });

  it('sends nothing twice that has not changed, and never a page of the build before', async () => {
    const page = await fetch(everybody);
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const [asset] = /assets\/[\w.-]+\.js/.exec(await page.text()) ?? [];
    const script = await fetch(`${everybody}/${asset}`);
    expect(script.headers.get('cache-control')).toContain('immutable');
    for (const { headers, url } of [page, script]) {
      const etag = headers.get('etag') ?? '';
      expect(etag, url).not.toBe('');
      expect((await fetch(url, { headers: { 'if-none-match': etag } })).status, url).toBe(304);
    }
  });

  it('leads operators to the operators’ calls of the whole cluster, with a token only, and to nothing else there', async () => {
    const answer = await asOperator('/operators/ws/nodes');
    expect(answer.status).toBe(200);
    const { nodes } = (await answer.json()) as { nodes: { node: string }[] };
    expect(nodes).toHaveLength(2);
    const sent = await asOperator('/operators/ws/broadcast', {
      method: 'POST',
      body: '{"message":"The boiler is back"}',
    });
    expect(sent.status).toBe(200);
    expect((await fetch(`${operators}/operators/ws/nodes`)).status).toBe(401);
    for (const path of ['/operators/metrics', '/operators/readyz', '/operators/ws/../metrics']) {
      expect((await asOperator(path)).status, path).toBe(404);
    }
  });

  it('leads nobody there from the port for everybody', async () => {
    for (const path of ['/operators/ws/nodes', '/operators/metrics']) {
      const answer = await fetch(`${everybody}${path}`);
      expect(answer.headers.get('content-type'), path).toContain('text/html');
    }
    expect((await fetch(`${everybody}/metrics`)).headers.get('content-type')).toContain('text/html');
  });

  it('leads clients to the gateways, past one that is full, and users to their portfolios', async () => {
    const socketUrl = `${everybody.replace('http', 'ws')}/ws`;
    const clients = [];
    for (let n = 0; n < 4; n += 1) {
      const client = await connect(socketUrl, { token: mintToken({ user_id: `tenant-${n}` }) });
      await client.next('AUTHENTICATED');
      clients.push(client);
    }
    // Two each: all four have found a place, whichever gateway was asked first.
    await expect(connect(socketUrl)).rejects.toMatchObject({ status: 503 });
    await Promise.all(clients.map((client) => client.close()));

    const authorization = `Bearer ${mintToken({ user_id: 'landlord-7', properties: ['1012650001'] })}`;
    for (const url of [everybody, operators]) {
      expect((await fetch(`${url}/v1/portfolio`, { headers: { authorization } })).status).toBe(200);
    }
    // What services report is for services: this port does not lead there.
    const reported = await fetch(`${everybody}/v1/events`, { method: 'POST', body: '{}' });
    expect(reported.status).toBe(404);
  });

  it('takes the token that the command of the documentation makes', async () => {
    const claims = JSON.stringify({ user_id: 'operator', aud: 'belfry-operators' });
    const script = join(ROOT, 'scripts', 'token.mjs');
    const token = execFileSync(process.execPath, [script, claims], { input: OPERATOR_SECRET, encoding: 'utf8' }).trim();
    const answer = await fetch(`${operators}/operators/ws/stats`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
  });

  it.skipIf(!hasChromium)(
    'gives operators their pages in a browser, and others a word why not (needs Chromium)',
    async () => {
      const browser = await launchBrowser();
      try {
        const open = async (url: string) =>
          signIn(await browser.newPage(), `${url}/`, {
            token: mintToken({ user_id: 'hr', role: 'HR' }),
            operator: mintOperatorToken('operator', { secret: OPERATOR_SECRET }),
            page: '/operations/cluster',
          });
        const page = await open(operators);
        for (const node of ['gateway-1', 'gateway-2']) await page.locator(`[data-node="${node}"]`).waitFor();
        const other = await open(everybody);
        await other.getByText('does not offer the operators’ calls').waitFor();
      } finally {
        await browser.close();
      }
    },
    60_000,
  );
});
