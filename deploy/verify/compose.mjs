// @ts-check
/**
 * `node deploy/verify/compose.mjs`: starts the compose file by podman-compose, with the images that `images.mjs` builds and
 * networks of containers as they are, and uses it as somebody would who has just followed the page on deploying. Needs what
 * `images.mjs` needs, and netavark, aardvark-dns and pip. Exit code 1 where something is not as it should be.
 *
 * What differs from Docker is changed in a copy: its resolver's address, the servers' names that only newer nginx looks up
 * again, more open files than the machine grants, and Redis, which is Debian's.
 */
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { signToken } from '../../scripts/token.mjs';
import { until } from './cluster/processes.mjs';
import { build, commitDebian, missing } from './images.mjs';
import { podmanCompose } from './tools.mjs';

const { WebSocket } = createRequire(new URL('../../e2e/package.json', import.meta.url))('ws');
const run = promisify(execFile);
const SOURCE = new URL('../compose/', import.meta.url).pathname;
const PROJECT = 'belfry-verify';
const SERVICES = /** @type {const} */ (['redis', 'gateway-1', 'gateway-2', 'publisher', 'dashboard']);
const STEP_TIMEOUT_MS = 180_000;
const [FRONT, OPERATORS, INTAKE] = ['http://127.0.0.1:28080', 'http://127.0.0.1:28081', 'http://127.0.0.1:8770'];

let failed = 0;
const check = (/** @type {string} */ what, /** @type {boolean} */ holds, detail = '') => {
  if (!holds) failed += 1;
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'}  ${what}${detail ? `: ${detail}` : ''}\n`);
};

const lacking = missing();
const compose = lacking ? undefined : await podmanCompose();
if (lacking || !compose) {
  process.stderr.write(`the compose file cannot be run here: ${lacking ?? 'podman-compose'} is missing\n`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'belfry-compose-'));
writeFileSync(
  join(folder, 'containers.conf'),
  `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
`,
);
const environment = {
  ...process.env,
  STORAGE_DRIVER: 'vfs',
  CONTAINERS_CONF: join(folder, 'containers.conf'),
  COMPOSE_PROJECT_NAME: PROJECT,
  PYTHONPATH: compose.modules,
  PORT: new URL(FRONT).port,
  OPERATORS_PORT: new URL(OPERATORS).port,
};
/** @param {string} command @param {readonly string[]} args */
async function call(command, ...args) {
  const options = { env: environment, cwd: folder, timeout: STEP_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await run(command, args, options);
  return stdout.trim();
}
const podman = (/** @type {string[]} */ ...args) => call('podman', ...args);
const composed = (/** @type {string[]} */ ...args) => call('python3', compose.script, ...args);
const containerOf = (/** @type {string} */ service) => `${PROJECT}_${service}_1`;

async function prepare() {
  for (const target of ['gateway', 'publisher', 'dashboard']) {
    const { image } = await build(target);
    await podman('tag', image, `localhost/belfry/${target}:0.1.0`);
  }
  const file = readFileSync(join(SOURCE, 'docker-compose.yml'), 'utf8');
  const redis = /image: (docker\.io\/library\/redis:\S+)/.exec(file)?.[1] ?? '';
  await commitDebian(redis, 'redis-server', (root) => {
    mkdirSync(join(root, 'data'));
    // Whoever owns it here is not its owner in the image.
    chmodSync(join(root, 'data'), 0o777);
  });
  cpSync(SOURCE, folder, { recursive: true });
  rmSync(join(folder, 'secrets'), { recursive: true, force: true });
  await call('sh', join(folder, 'secrets.sh'));
  const network = `${PROJECT}_default`;
  await podman('network', 'create', network);
  const gateway = await podman('network', 'inspect', network, '--format', '{{(index .Subnets 0).Gateway}}');
  const server = join(folder, 'nginx', 'http.conf');
  const text = readFileSync(server, 'utf8').replace('127.0.0.11', gateway).replaceAll(' resolve ', ' ');
  writeFileSync(server, text);
  const limits = file.replace(/nofile: \{[^}]*\}/, 'nofile: 20000, nproc: 20000');
  // Names of images without a registry are this machine's own; nothing is to be built twice.
  writeFileSync(
    join(folder, 'docker-compose.yml'),
    limits.replace(/image: belfry\//g, 'image: localhost/belfry/').replace(/^ *build: .*\n/gm, ''),
  );
}

/** What systemd's timers do where there is systemd. */
const healthy = async (/** @type {string} */ service) => {
  await podman('healthcheck', 'run', containerOf(service));
  return true;
};

/** A client behind the front door. @param {string} token */
async function connect(token) {
  const socket = new WebSocket(`${FRONT.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${token}` } });
  /** @type {Record<string, unknown>[]} */
  const frames = [];
  socket.on('message', (/** @type {Buffer} */ data) => frames.push(JSON.parse(String(data))));
  socket.on('error', (/** @type {Error} */ error) => frames.push({ type: 'error', message: error.message }));
  const got = (/** @type {string} */ type) =>
    until(`${type} got`, 20_000, async () => frames.some((frame) => frame.type === type));
  await got('AUTHENTICATED');
  return {
    got,
    send: (/** @type {object} */ frame) => socket.send(JSON.stringify(frame)),
    close: () => socket.terminate(),
  };
}

async function use() {
  const secret = (/** @type {string} */ name) => readFileSync(join(folder, 'secrets', name), 'utf8');
  const sign = (/** @type {object} */ claims, /** @type {string} */ name) =>
    signToken({ ...claims }, { secret: secret(name), expiresInSeconds: 600 });
  const client = await connect(sign({ user_id: 'manager', role: 'ADMIN' }, 'jwt-secret'));
  client.send({ type: 'SUBSCRIBE', property_id: '1012650001' });
  await client.got('SUBSCRIBED');
  const publish = async (/** @type {string} */ type) => {
    const authorization = `Bearer ${secret('publisher-token')}`;
    const headers = { 'content-type': 'application/json', authorization };
    const body = JSON.stringify({ type, channel: 'property:1012650001' });
    return (await fetch(`${INTAKE}/v1/events`, { method: 'POST', headers, body })).status;
  };
  check('a change is accepted', (await publish('inspection')) === 202);
  await client.got('inspection');
  check('and reaches a client behind the front door', true);

  const headers = {
    authorization: `Bearer ${sign({ user_id: 'operator', aud: 'belfry-operators' }, 'operator-secret')}`,
  };
  const nodes = await (await fetch(`${OPERATORS}/operators/ws/nodes`, { headers })).json();
  check('operators see both gateways at their own port', nodes.nodes.length === 2);
  const outside = await fetch(`${FRONT}/operators/ws/nodes`, { headers });
  check('and nothing of that at everybody’s', !outside.headers.get('content-type')?.includes('json'));

  client.close();
  for (const service of ['gateway-1', 'gateway-2']) {
    await podman('stop', '--time=50', containerOf(service));
    const code = await podman('inspect', containerOf(service), '--format', '{{.State.ExitCode}}');
    check(`${service} ends by itself when it is told to`, code === '0', code);
    const other = await connect(sign({ user_id: 'manager', role: 'ADMIN' }, 'jwt-secret'));
    check('meanwhile clients are let in by the other one', true);
    other.close();
    await podman('start', containerOf(service));
    await until(`${service} healthy`, 60_000, () => healthy(service));
    // It has another address now, which Debian's server looks up only when it is told to.
    await podman('kill', '--signal=HUP', containerOf('dashboard'));
  }
}

try {
  await prepare();
  await composed('up', '--detach');
  for (const service of SERVICES.slice(0, -1)) await until(`${service} healthy`, 60_000, () => healthy(service));
  check('all are healthy', true);
  await until('the pages served', 60_000, async () => (await fetch(`${FRONT}/readyz`)).ok);
  await use();
} catch (error) {
  check('the run', false, /** @type {Error} */ (error).message);
  for (const service of SERVICES) {
    const logs = await podman('logs', '--tail', '5', containerOf(service)).catch((reason) => String(reason));
    process.stdout.write(`${service}: ${logs}\n`);
  }
} finally {
  await composed('down', '--volumes').catch((error) => check('everything is taken away', false, error.message));
  await podman('network', 'rm', '--force', `${PROJECT}_default`).catch(() => sleep(0));
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(failed === 0 ? 'all as it should be\n' : `${failed} not as it should be\n`);
process.exit(failed === 0 ? 0 : 1);
