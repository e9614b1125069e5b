/** What is applied to a cluster: every overlay and component valid to the letter, and within our own policies. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { readSettings, type Settings } from '@belfry/shared/service';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkFields, isCustom } from '../deploy/verify/custom.mjs';
import { find, get, selectsPods } from '../deploy/verify/objects.mjs';
import { POLICIES, settingsOf } from '../deploy/verify/policies.mjs';
import {
  K8S,
  type KubernetesObject,
  OVERLAYS,
  render,
  renderTried,
  renderWith,
  TRIED,
} from '../deploy/verify/render.mjs';
import { createSchemaCheck } from '../deploy/verify/schemas.mjs';
import { findTool, kubernetesSchemas } from '../deploy/verify/tools.mjs';
import { OPTIONS, readSettings as readLoadSettings } from '../loadtest/src/k6/settings.ts';

const kubectl = findTool('kubectl');
const kubeScore = findTool('kube-score');
const LOAD_SCRIPTS = fileURLToPath(new URL('../loadtest/src/k6', import.meta.url));
const schemas = kubectl ? await kubernetesSchemas() : undefined;

const rendered = new Map<string, readonly KubernetesObject[]>();
const ENVIRONMENTS = [...OVERLAYS, ...TRIED];
const environment = (name: string) => rendered.get(name) ?? [];

/** As deep a copy as JSON has: what policies break must stay broken for one test only. */
const copyOf = (objects: readonly KubernetesObject[]): KubernetesObject[] => JSON.parse(JSON.stringify(objects));

describe.skipIf(!kubectl)('the overlays (need kubectl)', () => {
  beforeAll(async () => {
    for (const overlay of OVERLAYS) rendered.set(overlay, await render(kubectl ?? '', `${K8S}/overlays/${overlay}`));
    for (const name of TRIED) rendered.set(name, await renderTried(kubectl ?? '', name));
  }, 60_000);

  describe.each(ENVIRONMENTS)('%s', (name) => {
    it.skipIf(!schemas)('is valid, strictly, for Kubernetes 1.36 and the CRDs it uses (needs the schemas)', () => {
      const check = createSchemaCheck(schemas ?? '');
      const faults = environment(name).flatMap((object) =>
        check(object).map((fault) => `${object.kind} ${object.metadata.name}: ${fault}`),
      );
      expect(faults).toEqual([]);
      expect(environment(name).length).toBeGreaterThan(20);
    });

    it.each(POLICIES)('keeps to it: $name', (policy) => {
      expect(policy.check(environment(name))).toEqual([]);
    });

    it('puts all its objects into its one namespace, each once', () => {
      const [namespace, ...others] = find(environment(name), 'Namespace');
      expect(others).toEqual([]);
      const strangers = environment(name).filter(
        ({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== namespace?.metadata.name,
      );
      expect(strangers.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([]);
      const names = environment(name).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(new Set(names).size).toBe(names.length);
    });
  });

  it.skipIf(!kubeScore).each(ENVIRONMENTS)(
    '%s has nothing critical for kube-score (needs kube-score)',
    async (name) => {
      expect(await criticalIn(environment(name))).toEqual([]);
      const objects = copyOf(environment(name));
      get(objects, 'Deployment', 'gateway').spec.template.spec.containers[0].resources.requests.memory = undefined;
      expect(await criticalIn(objects)).not.toEqual([]);
    },
  );

  it.skipIf(!schemas)('would be found to be wrong if they were (needs the schemas)', () => {
    const check = createSchemaCheck(schemas ?? '');
    const [prod, staging] = [copyOf(environment('prod')), copyOf(environment('staging'))];
    const gateway = get(prod, 'Deployment', 'gateway');
    gateway.spec.minReadySecond = 90;
    gateway.spec.template.spec.containers[0].env.push({ name: 'MAX_CONNECTIONS', value: 12_000 });
    expect(check(gateway)).toHaveLength(2);
    const scaler = get(prod, 'ScaledObject', 'gateway');
    scaler.spec.triggers[0].metadata.threshold = 8_000;
    expect(check(scaler)).toHaveLength(1);
    const route = get(staging, 'HTTPRoute', 'belfry');
    route.spec.rules[0].timeouts = { request: '0 seconds' };
    expect(check(route)).toHaveLength(1);
    const monitor = get(staging, 'ServiceMonitor', 'belfry');
    monitor.spec.endpoints[0].interval = '15 secs';
    expect(check(monitor)).toHaveLength(1);
    expect(check({ ...gateway, kind: 'Deploymint' })).toEqual(['there is no schema of apps/v1 Deploymint']);
  });

  it('give custom resources no field that their definitions do not have', async () => {
    const custom = ENVIRONMENTS.flatMap((name) => environment(name)).filter(isCustom);
    expect(new Set(custom.map(({ kind }) => kind))).toEqual(
      new Set(['HTTPRoute', 'PrometheusRule', 'ScaledObject', 'ServiceMonitor']),
    );
    expect(await checkFields(custom)).toEqual([]);

    const broken = copyOf(environment('prod'));
    get(broken, 'HTTPRoute', 'belfry').spec.rules[0].matches[0].path.vlaue = '/ws';
    get(broken, 'ScaledObject', 'gateway').spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.window = 0;
    get(broken, 'ServiceMonitor', 'belfry').spec.endpoints[0].scrapeInterval = '15s';
    get(broken, 'PrometheusRule', 'belfry-slo').spec.groups[0].rules[0].severity = 'page';
    const faults = await checkFields(broken);
    const found = ['vlaue', 'window', 'scrapeInterval', 'severity'].map((field) =>
      faults.filter((fault) => fault.includes(`'${field}' does not exist`)),
    );
    expect(found.map(({ length }) => length)).toEqual([1, 1, 1, 1]);
    expect(faults).toHaveLength(4);
  }, 120_000);

  it('let gateways fetch an issuer’s keys from outside, and nothing else there, where the component is named', () => {
    const outside = (name: string) =>
      find(environment(name), 'NetworkPolicy').filter(
        ({ spec }) =>
          selectsPods(spec.podSelector, { 'app.kubernetes.io/name': 'gateway' }) &&
          JSON.stringify(spec.egress ?? []).includes('0.0.0.0/0'),
      );
    expect(outside('staging')).toEqual([]);
    const [policy, ...others] = outside('issued');
    expect(others).toEqual([]);
    expect(policy?.spec.egress).toHaveLength(1);
    expect(policy?.spec.egress[0].ports).toEqual([{ protocol: 'TCP', port: 443 }]);
    for (const name of ['gateway', 'publisher']) {
      expect(settingsOf(environment('issued'), name).JWT_JWKS_URL).toMatch(/^https:/);
    }
    expect(settingsOf(environment('issued'), 'canary').CANARY_TOKEN_FILE).toBe('/run/secrets/belfry/canary-token');
    const [, { projected }] = get(environment('issued'), 'Deployment', 'canary').spec.template.spec.volumes;
    expect(JSON.stringify(projected.sources)).toContain('"path":"canary-token"');
  });

  it('let gateways and publishers of prod reach Redis as any REDIS_URL has it: a node, a cluster’s, Sentinel', () => {
    const { spec } = get(environment('prod'), 'NetworkPolicy', 'to-redis');
    const ports: { port: number; endPort?: number }[] = spec.egress.flatMap((rule: { ports: unknown[] }) => rule.ports);
    const open = (port: number) => ports.some(({ port: first, endPort = first }) => first <= port && port <= endPort);
    expect([6379, 26379].filter((port) => !open(port))).toEqual([]);
    for (const name of ['gateway', 'publisher']) {
      expect(selectsPods(spec.podSelector, { 'app.kubernetes.io/name': name })).toBe(true);
    }
  });

  it('lead alerts to the runbooks of whoever names another address, in one place', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'belfry-runbooks-'));
    try {
      cpSync(K8S, copy, { recursive: true });
      const file = join(copy, 'components', 'monitoring', 'kustomization.yaml');
      const text = readFileSync(file, 'utf8');
      const address = 'git.example.org/belfry/blob/main';
      writeFileSync(file, text.replace('address=belfry.example', `address=${address}`));
      const rules = find(await render(kubectl ?? '', join(copy, 'overlays', 'prod')), 'PrometheusRule').flatMap(
        ({ spec }) =>
          spec.groups.flatMap((group: { rules: { alert?: string; annotations?: object }[] }) => group.rules),
      );
      const links = rules.filter(({ alert }) => alert).map(({ annotations }) => annotations.runbook_url as string);
      expect(links.length).toBeGreaterThan(25);
      const elsewhere = links.filter((link) => !link.startsWith(`https://${address}/docs/operations/alerts.md#belfry`));
      expect(elsewhere).toEqual([]);
      // What holds the address is not applied.
      expect(find(environment('prod'), 'ConfigMap', 'runbooks')).toEqual([]);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }, 60_000);

  it.skipIf(!schemas)(
    'run a load test of all of the scripts, as the operator takes it (needs the schemas)',
    async () => {
      const objects = await renderWith(kubectl ?? '', ['load-test', 'network-policies'], { namespace: 'belfry-load' });
      const check = createSchemaCheck(schemas ?? '');
      expect(objects.flatMap((object) => check(object))).toEqual([]);
      const { spec } = get(objects, 'TestRun', 'load-test');
      const { data } = get(objects, 'ConfigMap', spec.script.configMap.name);
      const scripts = readdirSync(LOAD_SCRIPTS).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
      expect(Object.keys(data).sort()).toEqual(scripts.sort());
      expect(data[spec.script.configMap.file]).toContain('export function handleSummary');
      // What k6 would say to these settings, it says when it is too late. GO…: of the language that it is written in.
      const given = Object.fromEntries(
        spec.runner.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
      );
      expect(readLoadSettings(given.LOAD_SCENARIO, (_, { env }) => given[env]).connections).toBe(10_000);
      const known = new Set(Object.values(OPTIONS).flatMap(({ env }) => [env, `${env}_FILE`]));
      expect(Object.keys(given).filter((name) => !/^(K6_|GO|LOAD_SCENARIO)/.test(name) && !known.has(name))).toEqual(
        [],
      );

      const broken = JSON.parse(JSON.stringify(get(objects, 'TestRun', 'load-test')));
      broken.spec.runner.enableServiceLinks = false;
      broken.spec.parallelism = '2';
      broken.spec.starter.resources.limit = {};
      expect(check(broken)).toHaveLength(3);
    },
  );

  it.each(POLICIES)('would break it: $name', (policy) => {
    // Not every environment has what every policy is about.
    const faults = ENVIRONMENTS.flatMap((name) => {
      const objects = copyOf(environment(name));
      policy.breaks(objects);
      return policy.check(objects);
    });
    expect(faults).not.toEqual([]);
  });

  it('scale the same with KEDA and with prometheus-adapter, and before a gateway is full', () => {
    const scaler = get(environment('prod'), 'ScaledObject', 'gateway').spec;
    const hpa = get(environment('legacy'), 'HorizontalPodAutoscaler', 'gateway').spec;
    expect(scaler.triggers[0].metadata.threshold).toBe(hpa.metrics[0].external.target.averageValue);
    expect(scaler.advanced.horizontalPodAutoscalerConfig.behavior).toEqual(hpa.behavior);
    expect([scaler.minReplicaCount, scaler.maxReplicaCount]).toEqual([hpa.minReplicas, hpa.maxReplicas]);
    const limit = Number(settingsOf(environment('prod'), 'gateway').MAX_CONNECTIONS);
    expect(Number(scaler.triggers[0].metadata.threshold)).toBeLessThan(0.75 * limit);
    // KEDA's query does not go through kustomize: it must name prod's namespace itself.
    expect(scaler.triggers[0].metadata.query).toContain('namespace="belfry"');
    expect(find(environment('prod'), 'Namespace')[0]?.metadata.name).toBe('belfry');
  });

  it.each([
    ['gateway', '../packages/gateway/dist/settings.js', 'gatewaySettings'],
    ['publisher', '../packages/publisher/dist/settings.js', 'publisherSettings'],
    ['canary', '../deploy/canary/dist/settings.js', 'canarySettings'],
  ])('give the %s only settings that it has, with values that it takes', async (name, path, exported) => {
    const module = (await import(path)) as Record<string, Settings>;
    const sources = (await import('../packages/publisher/dist/sources/settings.js')) as { sourceSettings: Settings };
    const settings = { ...(name === 'publisher' ? sources.sourceSettings : {}), ...module[exported] };
    const ofNode = new Set(['NODE_ENV', 'NODE_OPTIONS', 'NODE_NAME', 'NODE_EXTRA_CA_CERTS']);
    // Each takes the place of another one that is given.
    const elsewhere = new Set(['publisher JWT_SECRET', 'canary CANARY_TOKEN']);
    for (const overlay of ENVIRONMENTS) {
      if (name === 'canary' && find(environment(overlay), 'Deployment', 'canary').length === 0) continue;
      const given = settingsOf(environment(overlay), name);
      const unknown = Object.keys(given).filter((key) => {
        const declared = settings[key.replace(/_FILE$/, '')];
        return !ofNode.has(key) && (key.endsWith('_FILE') ? !declared?.secret : !declared);
      });
      expect(unknown).toEqual([]);
      const secrets = Object.keys(settings).filter((key) => settings[key]?.secret && !elsewhere.has(`${name} ${key}`));
      expect(secrets.filter((key) => given[`${key}_FILE`] === undefined)).toEqual([]);
      const values = Object.fromEntries(Object.entries(given).filter(([key]) => !key.endsWith('_FILE')));
      expect(() => readSettings(settings, { JWT_SECRET: 'x', ...values })).not.toThrow();
    }
  });
});

/** Ours to decide: CPU without a limit (it would throttle the event loop), pulling only what is not there (tags never move). */
const KUBE_SCORE_IGNORED = ['container-resources', 'container-image-pull-policy'];
const KUBE_SCORE_INSTEAD = ['container-memory-requests-equal-limits'];

/** What kube-score would not let pass. */
async function criticalIn(objects: readonly KubernetesObject[]): Promise<string[]> {
  const options = [
    ...KUBE_SCORE_IGNORED.flatMap((test) => ['--ignore-test', test]),
    ...KUBE_SCORE_INSTEAD.flatMap((test) => ['--enable-optional-test', test]),
  ];
  const child = spawn(kubeScore ?? '', ['score', '--output-format', 'ci', ...options, '-']);
  child.stdin.end(objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  const lines = (await text(child.stdout)).split('\n');
  expect(lines.length).toBeGreaterThan(10);
  return lines.filter((line) => line.startsWith('[CRITICAL]'));
}
