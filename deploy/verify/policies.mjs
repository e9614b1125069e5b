// @ts-check
/**
 * What every environment has to keep to, beyond being valid. A policy looks at all objects of an overlay and says what is
 * wrong; `breaks` makes one violation, by which its test knows that the policy can fail.
 */
import { containersOf, find, get, selects, workloads } from './objects.mjs';
import { REFERENCES } from './references.mjs';

/** @typedef {import('./render.mjs').KubernetesObject} KubernetesObject */
/**
 * @typedef {{
 *   name: string,
 *   check: (objects: readonly KubernetesObject[]) => string[],
 *   breaks: (objects: readonly KubernetesObject[]) => void,
 * }} Policy
 */

/** What a process needs to end itself after its own window has run out, as its `shutdown` is given. */
const GATEWAY_END_SECONDS = 15;
const MARGIN_SECONDS = 5;
const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/**
 * @param {string} name
 * @param {(pod: any, container: any) => string | undefined} wrong
 * @param {(pod: any, container: any) => void} breaks
 * @returns {Policy}
 */
const everyContainer = (name, wrong, breaks) => ({
  name,
  check: (objects) =>
    workloads(objects).flatMap(({ name: owner, pod }) =>
      containersOf(pod).flatMap((container) => {
        const fault = wrong(pod, container);
        return fault === undefined ? [] : [`${owner}, container ${container.name}: ${fault}`];
      }),
    ),
  breaks: (objects) => {
    const pod = get(objects, 'Deployment', 'gateway').spec.template.spec;
    breaks(pod, pod.containers[0]);
  },
});

/**
 * The settings that a Deployment's container gets from its ConfigMap.
 * @param {readonly KubernetesObject[]} objects
 * @param {string} name
 * @returns {Record<string, string>}
 */
export function settingsOf(objects, name) {
  const [container] = get(objects, 'Deployment', name).spec.template.spec.containers;
  const maps = (container.envFrom ?? []).map((/** @type {any} */ from) =>
    get(objects, 'ConfigMap', from.configMapRef.name),
  );
  const own = (container.env ?? []).flatMap((/** @type {any} */ entry) =>
    entry.value === undefined ? [] : [[entry.name, entry.value]],
  );
  return Object.assign({}, ...maps.map((/** @type {any} */ map) => map.data), Object.fromEntries(own));
}

/** @param {readonly KubernetesObject[]} objects */
const autoscalers = (objects) => [...find(objects, 'HorizontalPodAutoscaler'), ...find(objects, 'ScaledObject')];

/** @type {readonly Policy[]} */
export const POLICIES = [
  {
    name: 'the namespace enforces the restricted pod security standard',
    check: (objects) =>
      find(objects, 'Namespace').flatMap(({ metadata }) =>
        ['enforce', 'warn', 'audit'].flatMap((mode) =>
          metadata.labels?.[`pod-security.kubernetes.io/${mode}`] === 'restricted' ? [] : [`${metadata.name}: ${mode}`],
        ),
      ),
    breaks: (objects) => {
      const [namespace] = find(objects, 'Namespace');
      if (namespace?.metadata.labels) namespace.metadata.labels['pod-security.kubernetes.io/enforce'] = 'baseline';
    },
  },
  everyContainer(
    'pods run as a user without a name, with the default seccomp profile',
    (pod) => {
      const { runAsNonRoot, runAsUser, seccompProfile } = pod.securityContext ?? {};
      if (runAsNonRoot !== true || runAsUser !== 10001) return 'runAsNonRoot, runAsUser 10001';
      return seccompProfile?.type === 'RuntimeDefault' ? undefined : 'seccompProfile RuntimeDefault';
    },
    (pod) => {
      pod.securityContext.runAsUser = 0;
    },
  ),
  everyContainer(
    'containers can gain nothing: no capabilities, no escalation, nothing to write to but what is mounted',
    (_pod, { securityContext }) => {
      const { allowPrivilegeEscalation, capabilities, privileged, readOnlyRootFilesystem } = securityContext ?? {};
      if (privileged || allowPrivilegeEscalation !== false) return 'allowPrivilegeEscalation: false';
      if (String(capabilities?.drop) !== 'ALL' || capabilities?.add) return 'capabilities: drop ALL';
      return readOnlyRootFilesystem === true ? undefined : 'readOnlyRootFilesystem: true';
    },
    (_pod, container) => {
      container.securityContext.readOnlyRootFilesystem = false;
    },
  ),
  everyContainer(
    'pods share nothing with their node, and no kind of volume that is not restricted',
    (pod) => {
      const shared = ['hostNetwork', 'hostPID', 'hostIPC'].find((field) => pod[field]);
      if (shared) return shared;
      const volume = (pod.volumes ?? []).find((/** @type {any} */ entry) => !VOLUMES.some((kind) => entry[kind]));
      return volume && `volume ${volume.name}`;
    },
    (pod) => {
      pod.volumes.push({ name: 'host', hostPath: { path: '/' } });
    },
  ),
  everyContainer(
    'pods have no token for the API server, and no addresses of other services in their environment',
    (pod) =>
      pod.automountServiceAccountToken === false && pod.enableServiceLinks === false
        ? undefined
        : 'automountServiceAccountToken, enableServiceLinks: false',
    (pod) => {
      pod.automountServiceAccountToken = undefined;
    },
  ),
  everyContainer(
    'containers say what they need; memory is never overcommitted, CPU is never throttled',
    (_pod, { resources }) => {
      const { limits, requests } = resources ?? {};
      if (!requests?.cpu || !requests.memory) return 'requests of cpu and memory';
      if (limits?.memory !== requests.memory) return 'limit of memory as requested';
      return limits.cpu === undefined ? undefined : 'no limit of cpu';
    },
    (_pod, container) => {
      container.resources.requests.cpu = undefined;
    },
  ),
  everyContainer(
    'images are named with a registry and a version that is never moved',
    (_pod, { image }) =>
      /^[^/]+\.[^/]+\/\S+(?::(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(image) ? undefined : image,
    (_pod, container) => {
      container.image = 'registry.example/belfry/gateway:latest';
    },
  ),
  everyContainer(
    'secrets come as files, of whole volumes: only then are they read again when they are rotated',
    (_pod, container) => {
      const inEnvironment = (container.env ?? []).find(
        (/** @type {any} */ { name, value, valueFrom }) =>
          valueFrom?.secretKeyRef || (value !== undefined && /(SECRET|TOKEN|PASSWORD|REDIS_URL)$/.test(name)),
      );
      if (inEnvironment) return `${inEnvironment.name} in the environment`;
      if ((container.envFrom ?? []).some((/** @type {any} */ { secretRef }) => secretRef)) return 'secretRef';
      return container.volumeMounts?.some((/** @type {any} */ { subPath }) => subPath) ? 'subPath' : undefined;
    },
    (_pod, container) => {
      container.env.push({ name: 'JWT_SECRET', value: 'in the open' });
    },
  ),
  {
    name: 'the names of secrets have no hash, so that a new key rolls nothing',
    check: (objects) =>
      workloads(objects).flatMap(({ name, pod }) =>
        (pod.volumes ?? []).flatMap((/** @type {any} */ volume) => {
          const names = [
            volume.secret?.secretName,
            ...(volume.projected?.sources ?? []).map((/** @type {any} */ source) => source.secret?.name),
          ];
          return names
            .filter((secret) => secret !== undefined && !/^(gateway|publisher)-secrets$/.test(secret))
            .map((secret) => `${name}: ${secret}`);
        }),
      ),
    breaks: (objects) => {
      get(objects, 'Deployment', 'gateway').spec.template.spec.volumes[1].secret.secretName = 'gateway-secrets-2m4k7f';
    },
  },
  {
    name: 'probes ask the port of the operators: startup and liveness whether it lives, readiness whether it is ready',
    check: (objects) =>
      ['gateway', 'publisher', 'canary'].flatMap((name) => {
        const [deployment] = find(objects, 'Deployment', name);
        if (!deployment) return [];
        const [container] = deployment.spec.template.spec.containers;
        return [
          ['startupProbe', '/livez'],
          ['livenessProbe', '/livez'],
          ['readinessProbe', '/readyz'],
        ].flatMap(([probe = '', path]) => {
          const { httpGet } = container[probe] ?? {};
          return httpGet?.port === 'operators' && httpGet.path === path ? [] : [`${name}: ${probe}`];
        });
      }),
    breaks: (objects) => {
      get(objects, 'Deployment', 'gateway').spec.template.spec.containers[0].livenessProbe.httpGet.path = '/readyz';
    },
  },
  {
    name: 'gateways and publishers let the same users in, to the same',
    check: (objects) =>
      ['ACCESS_POLICY', 'JWT_JWKS_URL', 'JWT_ALGORITHMS', 'JWT_ISSUER', 'JWT_AUDIENCE'].filter(
        (name) => settingsOf(objects, 'gateway')[name] !== settingsOf(objects, 'publisher')[name],
      ),
    breaks: (objects) => {
      get(objects, 'Deployment', 'publisher').spec.template.spec.containers[0].env.push({
        name: 'ACCESS_POLICY',
        value: 'nobody',
      });
    },
  },
  {
    name: 'a pod has the time it needs to go: preStop, its window, its own end, and a margin',
    check: (objects) =>
      /** @type {const} */ ([
        ['gateway', Number(settingsOf(objects, 'gateway').SHUTDOWN_SECONDS) + GATEWAY_END_SECONDS],
        ['publisher', Number(settingsOf(objects, 'publisher').SHUTDOWN_DEADLINE_MS) / 1000],
      ]).flatMap(([name, windowSeconds]) => {
        const { containers, terminationGracePeriodSeconds } = get(objects, 'Deployment', name).spec.template.spec;
        const preStop = containers[0].lifecycle?.preStop?.sleep?.seconds ?? 0;
        const needed = preStop + windowSeconds + MARGIN_SECONDS;
        if (preStop < 5) return [`${name}: preStop of ${preStop} s, endpoints take longer to forget a pod`];
        // So and not `<`: an unreadable setting is NaN, and must not pass.
        return terminationGracePeriodSeconds >= needed
          ? []
          : [`${name}: ${terminationGracePeriodSeconds} < ${needed} s`];
      }),
    breaks: (objects) => {
      get(objects, 'Deployment', 'gateway').spec.template.spec.terminationGracePeriodSeconds = 60;
    },
  },
  {
    name: 'a rollout takes one gateway after the other, none before the last one has drained, and never one too many',
    check: (objects) => {
      const { minReadySeconds, progressDeadlineSeconds, strategy } = get(objects, 'Deployment', 'gateway').spec;
      const drainSeconds = Number(settingsOf(objects, 'gateway').SHUTDOWN_SECONDS);
      const faults = [];
      if (!(minReadySeconds >= drainSeconds)) faults.push(`minReadySeconds ${minReadySeconds} < ${drainSeconds}`);
      if (!(progressDeadlineSeconds > 5 * minReadySeconds)) faults.push('progressDeadlineSeconds');
      const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? {};
      if (maxUnavailable !== 0 || maxSurge !== 1) faults.push('maxUnavailable 0, maxSurge 1');
      return faults;
    },
    breaks: (objects) => {
      get(objects, 'Deployment', 'gateway').spec.minReadySeconds = 5;
    },
  },
  {
    name: 'one autoscaler at most, and where there is one the Deployment leaves the number of gateways to it',
    check: (objects) => {
      const count = autoscalers(objects).length;
      if (count > 1) return [`${count} autoscalers`];
      const { replicas } = get(objects, 'Deployment', 'gateway').spec;
      return (replicas === undefined) === (count === 1) ? [] : [`${count} autoscaler, replicas: ${replicas}`];
    },
    breaks: (objects) => {
      const { spec } = get(objects, 'Deployment', 'gateway');
      spec.replicas = spec.replicas === undefined ? 3 : undefined;
    },
  },
  {
    name: 'every service that has several pods has a disruption budget that is its own, and spreads over nodes',
    check: (objects) =>
      [...find(objects, 'Deployment'), ...find(objects, 'StatefulSet')]
        .filter(({ spec }) => spec.replicas === undefined || spec.replicas > 1)
        .flatMap(({ metadata, spec }) => {
          const labels = spec.template.metadata.labels;
          const budgets = find(objects, 'PodDisruptionBudget').filter((budget) =>
            selects(budget.spec.selector.matchLabels, labels),
          );
          const faults = budgets.length === 1 ? [] : [`${metadata.name}: ${budgets.length} budgets`];
          if (budgets[0] && budgets[0].spec.maxUnavailable !== 1) faults.push(`${metadata.name}: maxUnavailable 1`);
          if (budgets[0] && !budgets[0].spec.unhealthyPodEvictionPolicy)
            faults.push(`${metadata.name}: unhealthy pods`);
          const spread = spec.template.spec.topologySpreadConstraints ?? [];
          if (!spread.some((/** @type {any} */ { topologyKey }) => topologyKey === 'kubernetes.io/hostname')) {
            faults.push(`${metadata.name}: not spread`);
          }
          return faults;
        }),
    breaks: (objects) => {
      get(objects, 'PodDisruptionBudget', 'gateway').spec.selector.matchLabels['app.kubernetes.io/name'] = 'gate';
    },
  },
  {
    name: 'a Redis of ours has half as much memory again as its data may take, and evicts none of it',
    check: (objects) =>
      find(objects, 'StatefulSet', 'redis').flatMap(({ spec }) => {
        const { containers, volumes } = spec.template.spec;
        const { configMap } = volumes.find((/** @type {any} */ { name }) => name === 'config');
        const text = get(objects, 'ConfigMap', configMap.name).data['redis.conf'];
        const maxMegabytes = Number(/^maxmemory (\d+)mb$/m.exec(text)?.[1]);
        const [, amount, unit] = /^(\d+)([MG])i$/.exec(containers[0].resources.limits.memory) ?? [];
        const megabytes = Number(amount) * (unit === 'G' ? 1024 : 1);
        const faults = /^maxmemory-policy noeviction$/m.test(text) ? [] : ['maxmemory-policy noeviction'];
        // So and not `<`: what is unreadable is NaN, and must not pass.
        if (!(megabytes >= 1.5 * maxMegabytes)) faults.push(`${megabytes} MiB < 1.5 × ${maxMegabytes} MiB`);
        return faults;
      }),
    breaks: (objects) => {
      for (const { spec } of find(objects, 'StatefulSet', 'redis')) {
        spec.template.spec.containers[0].resources.limits.memory = '384Mi';
      }
    },
  },
  {
    name: 'nothing is reachable that is not named, and every pod that is scraped is reachable for monitoring',
    check: (objects) => {
      const policies = find(objects, 'NetworkPolicy');
      const denied = policies.some(
        ({ spec }) =>
          Object.keys(spec.podSelector).length === 0 &&
          spec.ingress === undefined &&
          spec.egress === undefined &&
          String(spec.policyTypes) === 'Ingress,Egress',
      );
      if (!denied) return ['no default deny'];
      const scraped = find(objects, 'Service').filter(({ metadata }) => metadata.labels?.['belfry.dev/scrape']);
      return scraped.flatMap(({ metadata, spec }) => {
        const [target] = workloads(objects).filter(({ template }) => selects(spec.selector, template.metadata.labels));
        const { port } = spec.ports[0];
        const open = policies.some(
          ({ spec: policy }) =>
            selects(policy.podSelector.matchLabels ?? { none: 'none' }, target?.template.metadata.labels) &&
            (policy.ingress ?? []).some(
              (/** @type {any} */ rule) =>
                JSON.stringify(rule.from).includes('"monitoring"') &&
                rule.ports.some(
                  (/** @type {any} */ range) => port >= range.port && port <= (range.endPort ?? range.port),
                ),
            ),
        );
        return open ? [] : [`${metadata.name}: closed to monitoring`];
      });
    },
    breaks: (objects) => {
      get(objects, 'NetworkPolicy', 'default-deny').spec.policyTypes = ['Ingress'];
    },
  },
  ...REFERENCES,
];
