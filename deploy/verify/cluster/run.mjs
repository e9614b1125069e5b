// @ts-check
/**
 * `node deploy/verify/cluster/run.mjs`: applies the overlays to a real API server and watches what its controllers make of
 * them: validation, pod security, the order of a rollout, evictions, the autoscaler. Needs Go (once, to build), kubectl,
 * kwok and openssl. Exit code 1 where something is not as it should be.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from '../objects.mjs';
import { K8S, OVERLAYS, render, renderTried, TRIED } from '../render.mjs';
import { findTool } from '../tools.mjs';
import { startMetricsApi } from './metrics-api.mjs';
import { startControlPlane, until } from './processes.mjs';

/** Custom resources need their operators' definitions, which are not here. */
const BUILT_IN = (/** @type {{ apiVersion: string }} */ { apiVersion }) =>
  !/^(monitoring\.coreos\.com|keda\.sh|gateway\.networking\.k8s\.io)\//.test(apiVersion);
const NODES = 8;
/** The ninety seconds of `minReadySeconds`, in short. */
const PACE_SECONDS = 6;
const NAMESPACE = 'belfry-staging';

let failed = 0;
const check = (/** @type {string} */ what, /** @type {boolean} */ holds, detail = '') => {
  if (!holds) failed += 1;
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'}  ${what}${detail ? `: ${detail}` : ''}\n`);
};

const kubectlPath = findTool('kubectl');
if (!kubectlPath) throw new Error('kubectl is missing');
const cluster = await startControlPlane();
const folder = mkdtempSync(join(tmpdir(), 'belfry-metrics-'));
const metrics = await startMetricsApi(folder);
const { api, kubectl } = cluster;
const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;
const gateway = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/gateway`;

/** @returns {Promise<{ name: string, hash: string, ready: boolean, leaving: boolean, createdAt: number }[]>} */
async function gateways() {
  const { body } = await api(`${pods}?labelSelector=app.kubernetes.io%2Fname%3Dgateway`);
  return body.items.map((/** @type {any} */ { metadata, status }) => ({
    name: metadata.name,
    hash: metadata.labels['pod-template-hash'],
    ready: (status.conditions ?? []).some(
      (/** @type {any} */ { type, status: is }) => type === 'Ready' && is === 'True',
    ),
    leaving: metadata.deletionTimestamp !== undefined,
    createdAt: Date.parse(metadata.creationTimestamp),
  }));
}
const serving = async () => (await gateways()).filter(({ leaving, ready }) => ready && !leaving);
const wanted = async () => (await api(gateway)).body.spec.replicas;
const patch = (/** @type {string} */ path, /** @type {unknown} */ body) =>
  api(path, { method: 'PATCH', body, type: 'application/merge-patch+json' });
const apply = (/** @type {readonly object[]} */ objects, /** @type {readonly string[]} */ args = []) =>
  kubectl(
    ['apply', '--server-side', '--validate=strict', ...args, '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  );

async function validation() {
  const version = (await api('/version')).body.gitVersion;
  process.stdout.write(`Kubernetes ${version}\n`);
  /** @type {[string, import('../render.mjs').KubernetesObject[]][]} */
  const environments = [];
  for (const name of OVERLAYS) environments.push([name, await render(kubectlPath ?? '', join(K8S, 'overlays', name))]);
  for (const name of TRIED) environments.push([name, await renderTried(kubectlPath ?? '', name)]);
  for (const [name, all] of environments) {
    const objects = all.filter(BUILT_IN);
    const namespaces = objects.filter(({ kind }) => kind === 'Namespace');
    await apply(namespaces);
    const { code, output } = await apply(objects, ['--dry-run=server']);
    const warnings = output.split('\n').filter((line) => /warning/i.test(line));
    check(`${name}: the server takes all ${objects.length} objects, strictly`, code === 0, code === 0 ? '' : output);
    check(`${name}: without a warning`, warnings.length === 0, warnings.join('; '));
  }
  const objects = await render(kubectlPath ?? '', join(K8S, 'overlays', 'staging'));
  const broken = get(objects, 'Deployment', 'gateway');
  broken.spec.minReadySecond = 90;
  const { code } = await apply([broken], ['--dry-run=server']);
  check('an unknown field is refused', code !== 0);
  const { spec } = broken.spec.template;
  spec.containers[0].securityContext.allowPrivilegeEscalation = true;
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'loose', namespace: NAMESPACE }, spec };
  const refused = await apply([pod], ['--dry-run=server']);
  check('a pod that is not restricted is refused', /violates PodSecurity/.test(refused.output));
}

async function deploy() {
  for (let n = 1; n <= NODES; n += 1) {
    const labels = {
      'kubernetes.io/hostname': `node-${n}`,
      'topology.kubernetes.io/zone': `zone-${(n % 3) + 1}`,
      'kubernetes.io/os': 'linux',
    };
    const resources = { cpu: '8', memory: '32Gi', pods: '100', 'ephemeral-storage': '100Gi' };
    const status = { allocatable: resources, capacity: resources };
    const created = await api('/api/v1/nodes', {
      method: 'POST',
      body: { apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${n}`, labels }, status },
    });
    if (created.status !== 201) throw new Error(`node-${n}: ${created.body.message}`);
  }
  // Redis waits for volumes, which nobody provides here.
  const objects = (await render(kubectlPath ?? '', join(K8S, 'overlays', 'staging')))
    .filter(BUILT_IN)
    .filter(({ kind }) => kind !== 'StatefulSet' && kind !== 'Job');
  get(objects, 'Deployment', 'gateway').spec.minReadySeconds = PACE_SECONDS;
  const secrets = ['gateway-secrets', 'publisher-secrets'].map((name) => ({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: NAMESPACE } },
    stringData: Object.fromEntries(['jwt-secret', 'redis-url', 'publisher-token'].map((key) => [key, 'x'])),
  }));
  metrics.set(20_000);
  const { code, output } = await apply([...metrics.objects, ...secrets, ...objects]);
  check('staging is applied', code === 0, code === 0 ? '' : output);
  await until(
    'the autoscaler to want three gateways for 20,000 connections',
    90_000,
    async () => (await wanted()) === 3,
  );
  await until('three gateways serving', 30_000, async () => (await serving()).length === 3);
  check('the autoscaler makes three gateways of 20,000 connections at 8,000 each', true);
  const { body } = await api(pods);
  const running = body.items.filter((/** @type {any} */ { status }) => status.phase === 'Running').length;
  check('everything is scheduled', body.items.length === running, `${running} of ${body.items.length} pods run`);
}

async function rollout() {
  const before = new Set((await gateways()).map(({ name }) => name));
  await patch(gateway, { spec: { template: { metadata: { annotations: { 'belfry.dev/roll': 'once' } } } } });
  let fewest = Number.POSITIVE_INFINITY;
  let most = 0;
  /** When each old pod was told to go. @type {Map<string, number>} */
  const told = new Map();
  const startedAt = Date.now();
  for (;;) {
    const now = await gateways();
    fewest = Math.min(fewest, now.filter(({ leaving, ready }) => ready && !leaving).length);
    most = Math.max(most, now.filter(({ leaving }) => !leaving).length);
    for (const { leaving, name } of now) if (leaving && before.has(name) && !told.has(name)) told.set(name, Date.now());
    for (const name of before) if (!told.has(name) && !now.some((pod) => pod.name === name)) told.set(name, Date.now());
    if (told.size === before.size && now.every(({ leaving, name }) => leaving || !before.has(name))) break;
    if (Date.now() - startedAt > 120_000) throw new Error('the rollout does not end');
    await sleep(100);
  }
  const times = [...told.values()].sort((a, b) => a - b);
  const gaps = times.slice(1).map((time, n) => (time - (times[n] ?? 0)) / 1_000);
  const first = ((times[0] ?? 0) - startedAt) / 1_000;
  check('a rollout never has fewer than three gateways serving', fewest >= 3, `fewest ${fewest}`);
  check('and never more than one too many', most <= 4, `most ${most}`);
  check(
    `it tells no gateway to go before the new one has been ready for minReadySeconds (${PACE_SECONDS} s here)`,
    // Since when a pod is ready is kept in whole seconds: it may look older by one.
    [first, ...gaps].every((gap) => gap > PACE_SECONDS - 1),
    `${[first, ...gaps].map((gap) => gap.toFixed(1)).join(', ')} s`,
  );
  await until('the rollout done', 60_000, async () => (await api(gateway)).body.status.updatedReplicas === 3);
  await until('only three left', 60_000, async () => (await gateways()).length === 3);
}

async function eviction() {
  await until('three available', 60_000, async () => (await api(gateway)).body.status.availableReplicas === 3);
  const budget = `/apis/policy/v1/namespaces/${NAMESPACE}/poddisruptionbudgets/gateway`;
  await until('the budget known', 30_000, async () => (await api(budget)).body.status.disruptionsAllowed === 1);
  const [first, second] = await serving();
  const evict = (/** @type {string | undefined} */ name) =>
    api(`${pods}/${name}/eviction`, {
      method: 'POST',
      body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NAMESPACE } },
    });
  check('one gateway may be evicted', (await evict(first?.name)).status === 201);
  const { body, status } = await evict(second?.name);
  check('a second one at the same time may not', status === 429, body.message);
  await until('another one in its place', 60_000, async () => (await api(budget)).body.status.disruptionsAllowed === 1);
  check('when another stands in its place, it may', (await evict(second?.name)).status === 201);
  await until('three again', 60_000, async () => (await serving()).length === 3);
}

async function scaling() {
  metrics.set(40_000);
  const startedAt = Date.now();
  await until('five gateways wanted', 60_000, async () => (await wanted()) === 5);
  check('40,000 connections: five gateways', true, `after ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`);
  metrics.set(2_000_000);
  await until('the maximum wanted', 90_000, async () => (await wanted()) === 6);
  await sleep(6_000);
  check('however many connections: no more than the maximum, six', (await wanted()) === 6);
  metrics.set(100);
  await sleep(20_000);
  const kept = await wanted();
  check(
    'connections that are gone take no gateway away at once (half an hour of calm first)',
    kept === 6,
    `${kept} after 20 s`,
  );
  const { body } = await api(`/apis/autoscaling/v2/namespaces/${NAMESPACE}/horizontalpodautoscalers/gateway`);
  const limited = body.status.conditions.map((/** @type {any} */ { reason, type }) => `${type} ${reason}`).join(', ');
  check('the autoscaler says why', /ScaleDownStabilized/.test(limited), limited);
}

try {
  await validation();
  await deploy();
  await rollout();
  await eviction();
  await scaling();
} catch (error) {
  check('the run', false, /** @type {Error} */ (error).message);
  process.stdout.write(cluster.log('kwok'));
  for (const what of ['nodes', 'pods']) {
    const { output } = await kubectl(['-n', NAMESPACE, 'get', what, '-o', 'wide']);
    process.stdout.write(`${output}\n`);
  }
} finally {
  metrics.close();
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(failed === 0 ? 'all as it should be\n' : `${failed} not as it should be\n`);
process.exit(failed === 0 ? 0 : 1);
