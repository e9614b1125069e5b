// @ts-check
/**
 * A control plane on the loopback address: etcd, API server, controller manager, scheduler, and kwok, which pretends nodes
 * and pods. Real decisions by the real programs; only what runs in a pod does not exist.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePorts } from '../../../scripts/free-port.mjs';
import { CACHE, findTool } from '../tools.mjs';

const run = promisify(execFile);
const HERE = dirname(fileURLToPath(import.meta.url));
const CONTROL_PLANE = join(CACHE, 'bin', 'control-plane');
const START_MS = 120_000;
const STOP_MS = 10_000;

/**
 * Builds etcd and Kubernetes' control plane as one program, once: a quarter of an hour on two cores.
 * @returns {Promise<string>} its path
 */
async function buildControlPlane() {
  if (existsSync(CONTROL_PLANE)) return CONTROL_PLANE;
  if (!findTool('go')) throw new Error('Go is missing, which builds the control plane');
  process.stdout.write('building the control plane; this takes a quarter of an hour …\n');
  const version = '-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1';
  const flags = `-s -w ${version} -X k8s.io/component-base/version.gitMinor=36`;
  await run('nice', ['-n', '19', 'go', 'build', '-trimpath', `-ldflags=${flags}`, '-o', CONTROL_PLANE, '.'], {
    cwd: join(HERE, 'control-plane'),
    maxBuffer: 64 * 1024 * 1024,
  });
  return CONTROL_PLANE;
}

/**
 * @typedef {{
 *   kubeconfig: string,
 *   kubectl: (args: readonly string[], input?: string) => Promise<{ code: number, output: string }>,
 *   api: (path: string, options?: { method?: string, body?: unknown, type?: string }) => Promise<{ status: number, body: any }>,
 *   log: (name: string) => string,
 *   stop: () => Promise<void>,
 * }} ControlPlane
 */

/** @returns {Promise<ControlPlane>} */
export async function startControlPlane() {
  const program = await buildControlPlane();
  const kwok = findTool('kwok');
  const kubectlPath = findTool('kubectl');
  if (!kwok || !kubectlPath) throw new Error(`${kwok ? 'kubectl' : 'kwok'} is missing: node deploy/verify/tools.mjs`);
  const folder = mkdtempSync(join(tmpdir(), 'belfry-cluster-'));
  const [etcd, peer, api, scheduler, controllers] = await freePorts(5);
  const token = `operator-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const url = `https://127.0.0.1:${api}`;
  const kubeconfig = join(folder, 'kubeconfig');
  const keys = { private: join(folder, 'accounts.key'), public: join(folder, 'accounts.pub') };
  mkdirSync(join(folder, 'certificates'));
  await run('openssl', ['genrsa', '-out', keys.private, '2048']);
  await run('openssl', ['rsa', '-in', keys.private, '-pubout', '-out', keys.public]);
  writeFileSync(join(folder, 'tokens'), `${token},operator,operator,system:masters\n`, { mode: 0o600 });
  writeFileSync(kubeconfig, kubeconfigOf(url, token), { mode: 0o600 });

  /** @type {import('node:child_process').ChildProcess[]} */
  const children = [];
  /** The last that each wrote. @type {Map<string, string>} */
  const logs = new Map();
  let stopped = false;
  const start = (/** @type {string} */ name, /** @type {string} */ command, /** @type {readonly string[]} */ args) => {
    const child = spawn('nice', ['-n', '10', command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        logs.set(name, `${logs.get(name) ?? ''}${text}`.slice(-4_000));
      });
    }
    child.once('exit', (code, signal) => {
      if (!stopped) process.stderr.write(`${name} ended with ${signal ?? code}:\n${logs.get(name)}\n`);
    });
    children.push(child);
  };
  const stop = async () => {
    stopped = true;
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await Promise.race([once(child, 'exit'), sleep(STOP_MS)]);
      child.kill('SIGKILL');
    }
    rmSync(folder, { recursive: true, force: true });
  };

  const call = caller(url, token);
  try {
    start('etcd', program, [
      ...['etcd', '--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync', '--log-level=error'],
      ...[`--listen-client-urls=http://127.0.0.1:${etcd}`, `--advertise-client-urls=http://127.0.0.1:${etcd}`],
      ...[`--listen-peer-urls=http://127.0.0.1:${peer}`, `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`],
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
    ]);
    start('kube-apiserver', program, [
      ...['kube-apiserver', `--etcd-servers=http://127.0.0.1:${etcd}`, `--secure-port=${api}`],
      ...['--bind-address=127.0.0.1', '--advertise-address=127.0.0.1', `--cert-dir=${join(folder, 'certificates')}`],
      ...['--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${keys.public}`],
      ...[`--service-account-signing-key-file=${keys.private}`, `--token-auth-file=${join(folder, 'tokens')}`],
      ...['--authorization-mode=RBAC', '--service-cluster-ip-range=10.96.0.0/16', '--endpoint-reconciler-type=none'],
    ]);
    await until('the API server ready', START_MS, async () => (await call('/readyz')).status === 200);
    start('kube-controller-manager', program, [
      ...['kube-controller-manager', `--kubeconfig=${kubeconfig}`, '--leader-elect=false'],
      ...[`--service-account-private-key-file=${keys.private}`, `--secure-port=${controllers}`],
      ...['--bind-address=127.0.0.1', `--cert-dir=${join(folder, 'certificates')}`],
      ...['--horizontal-pod-autoscaler-sync-period=2s', '--horizontal-pod-autoscaler-initial-readiness-delay=1s'],
    ]);
    start('kube-scheduler', program, [
      ...['kube-scheduler', `--kubeconfig=${kubeconfig}`, '--leader-elect=false', `--secure-port=${scheduler}`],
      ...['--bind-address=127.0.0.1', `--cert-dir=${join(folder, 'certificates')}`],
    ]);
    start('kwok', kwok, [
      `--kubeconfig=${kubeconfig}`,
      '--manage-all-nodes=true',
      '--node-lease-duration-seconds=40',
      `--config=${join(HERE, 'kwok.yaml')}`,
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    kubeconfig,
    api: call,
    log: (name) => logs.get(name) ?? '',
    stop,
    kubectl: (args, input) =>
      new Promise((resolve) => {
        const child = execFile(
          kubectlPath,
          ['--kubeconfig', kubeconfig, ...args],
          { maxBuffer: 64 * 1024 * 1024 },
          (error, stdout, stderr) => resolve({ code: error ? 1 : 0, output: `${stdout}${stderr}` }),
        );
        child.stdin?.end(input ?? '');
      }),
  };
}

/** @param {string} url @param {string} token */
const kubeconfigOf = (url, token) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'verify',
    contexts: [{ name: 'verify', context: { cluster: 'verify', user: 'operator' } }],
    clusters: [{ name: 'verify', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'operator', user: { token } }],
  });

/**
 * Asks the API server; its certificate is one that it made for itself a moment ago.
 * @param {string} base @param {string} token
 * @returns {ControlPlane['api']}
 */
function caller(base, token) {
  return (path, { body, method = 'GET', type = 'application/json' } = {}) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': type, accept: 'application/json' };
      const sent = request(`${base}${path}`, { method, headers, rejectUnauthorized: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => {
          const json = response.headers['content-type']?.includes('json');
          resolve({ status: response.statusCode ?? 0, body: json ? JSON.parse(text) : text });
        });
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

/**
 * @param {string} what
 * @param {number} deadlineMs
 * @param {() => Promise<boolean>} condition errors count as not yet
 */
export async function until(what, deadlineMs, condition) {
  const end = performance.now() + deadlineMs;
  let problem = '';
  while (performance.now() < end) {
    try {
      if (await condition()) return;
      problem = '';
    } catch (error) {
      problem = `: ${/** @type {Error} */ (error).message}`;
    }
    await sleep(200);
  }
  throw new Error(`not ${what} within ${deadlineMs / 1_000} s${problem}`);
}
