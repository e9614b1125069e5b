// @ts-check
/**
 * What names something else must name something that is there: selectors, targets, ports, ConfigMaps. The API server takes
 * all of it without a word; it shows only in what does not happen. With what kube-linter looks for by default and neither
 * the schemas nor kube-score find.
 */
import { containersOf, find, get, selects, selectsPods, workloads } from './objects.mjs';

/** @typedef {import('./objects.mjs').KubernetesObject} KubernetesObject */
/** @typedef {import('./policies.mjs').Policy} Policy */

/** What users call at the publisher with their own tokens; all else there is for services. */
const USERS_PATHS = ['Exact /v1/portfolio', 'Exact /v1/kpis'];

/** What operators call; metrics and health, which ask for no token, are at the same port. */
const OPERATORS_PATHS = ['PathPrefix /operators/ws', 'ImplementationSpecific /operators/ws/(.*)'];

/**
 * Where the routes of Gateways and Ingresses lead.
 * @param {readonly KubernetesObject[]} objects
 * @returns {{ name: string, port: string | number, hosts: string[], paths: string[] }[]} Services by their names
 */
const routesIn = (objects) => [
  ...find(objects, 'HTTPRoute').flatMap(({ spec }) =>
    spec.rules.flatMap((/** @type {any} */ { backendRefs, matches }) =>
      backendRefs.map((/** @type {any} */ { name, port }) => ({
        ...{ name, port, hosts: spec.hostnames },
        paths: matches.map((/** @type {any} */ { path }) => `${path.type} ${path.value}`),
      })),
    ),
  ),
  ...find(objects, 'Ingress').flatMap(({ spec }) =>
    spec.rules.flatMap((/** @type {any} */ { host, http }) =>
      http.paths.map((/** @type {any} */ { backend, path, pathType }) => ({
        ...{ name: backend.service.name, port: backend.service.port.name, hosts: [host] },
        paths: [`${pathType} ${path}`],
      })),
    ),
  ),
];

/** @type {readonly Policy[]} */
export const REFERENCES = [
  {
    name: 'every Service leads to pods that have the port',
    check: (objects) =>
      find(objects, 'Service').flatMap(({ metadata, spec }) => {
        const targets = workloads(objects).filter(({ template }) => selects(spec.selector, template.metadata.labels));
        if (targets.length !== 1) return [`${metadata.name}: selects ${targets.length} workloads`];
        const named = targets.flatMap(({ pod }) =>
          containersOf(pod).flatMap(({ ports }) => (ports ?? []).map((/** @type {any} */ { name }) => name)),
        );
        return spec.ports
          .filter((/** @type {any} */ { targetPort }) => !named.includes(targetPort))
          .map((/** @type {any} */ { targetPort }) => `${metadata.name}: no port ${targetPort}`);
      }),
    breaks: (objects) => {
      get(objects, 'Service', 'gateway').spec.ports[0].targetPort = 'http';
    },
  },
  {
    name: 'every route leads to a Service that has the port; to the publisher only what users call with their own tokens',
    check: (objects) =>
      routesIn(objects).flatMap(({ name, paths, port }) => {
        const inside = paths.filter((path) => !USERS_PATHS.includes(path));
        if (name === 'publisher' && inside.length > 0) return [`${inside} of the publisher is for services inside`];
        const [service] = find(objects, 'Service', name);
        const ports = (service?.spec.ports ?? []).flatMap((/** @type {any} */ entry) => [entry.name, entry.port]);
        return ports.includes(port) ? [] : [`${name}:${port}`];
      }),
    breaks: (objects) => {
      const [route] = find(objects, 'HTTPRoute');
      const [ingress] = find(objects, 'Ingress');
      if (route) route.spec.rules[0].backendRefs[0].name = 'publisher';
      if (ingress)
        ingress.spec.rules[0].http.paths[0].backend.service = { name: 'publisher', port: { name: 'intake' } };
    },
  },
  {
    name: 'the operators’ calls are at no host that clients have, and nothing else of their port is',
    check: (objects) => {
      const toOperators = (/** @type {string} */ name) =>
        find(objects, 'Service', name).some(({ spec }) => spec.ports[0].targetPort === 'operators');
      const routes = routesIn(objects);
      const publicly = routes.filter(({ name }) => name === 'dashboard').flatMap(({ hosts }) => hosts);
      return routes
        .filter(({ name }) => toOperators(name))
        .flatMap(({ hosts, name, paths }) => [
          ...hosts.filter((host) => publicly.includes(host)),
          ...paths.filter((path) => name !== 'dashboard-operators' && !OPERATORS_PATHS.includes(path)),
        ]);
    },
    breaks: (objects) => {
      for (const { spec } of find(objects, 'HTTPRoute')) spec.hostnames = ['belfry.example'];
    },
  },
  {
    name: 'every selector chooses pods that are there: of workloads their own, of budgets and network policies somebody’s',
    check: (objects) => {
      const pods = workloads(objects);
      const nobody = (/** @type {any} */ selector) =>
        !pods.some(({ template }) => selectsPods(selector, template.metadata.labels));
      const foreign = pods
        .filter(
          ({ object, template }) =>
            object.spec.selector && !selectsPods(object.spec.selector, template.metadata.labels),
        )
        .map(({ name }) => `${name}: does not select its own pods`);
      const budgets = find(objects, 'PodDisruptionBudget').filter(({ spec }) => nobody(spec.selector));
      const policies = find(objects, 'NetworkPolicy').filter(
        ({ spec }) =>
          nobody(spec.podSelector) ||
          // Whom one lets in may be elsewhere, or come later; where one leads to must be there.
          (spec.egress ?? []).some((/** @type {any} */ { to }) =>
            (to ?? []).some(
              (/** @type {any} */ peer) => peer.podSelector && !peer.namespaceSelector && nobody(peer.podSelector),
            ),
          ),
      );
      return [...foreign, ...[...budgets, ...policies].map(({ kind, metadata }) => `${kind} ${metadata.name}: nobody`)];
    },
    breaks: (objects) => {
      get(objects, 'NetworkPolicy', 'gateway').spec.podSelector.matchLabels['app.kubernetes.io/name'] = 'gate';
    },
  },
  {
    name: 'every autoscaler scales something that is there',
    check: (objects) =>
      [...find(objects, 'HorizontalPodAutoscaler'), ...find(objects, 'ScaledObject')].flatMap(({ metadata, spec }) => {
        const { kind = 'Deployment', name } = spec.scaleTargetRef;
        return find(objects, kind, name).length === 1 ? [] : [`${metadata.name}: ${kind} ${name}`];
      }),
    breaks: (objects) => {
      const [scaler] = [...find(objects, 'HorizontalPodAutoscaler'), ...find(objects, 'ScaledObject')];
      if (scaler) scaler.spec.scaleTargetRef.name = 'gate';
    },
  },
  {
    name: 'probes ask ports that the container has',
    check: (objects) =>
      workloads(objects).flatMap(({ name, pod }) =>
        containersOf(pod).flatMap((container) => {
          const ports = (container.ports ?? []).flatMap((/** @type {any} */ port) => [port.name, port.containerPort]);
          return ['startupProbe', 'livenessProbe', 'readinessProbe'].flatMap((probe) => {
            const port = (container[probe]?.httpGet ?? container[probe]?.tcpSocket)?.port;
            return port === undefined || ports.includes(port) ? [] : [`${name}: ${probe} asks ${port}`];
          });
        }),
      ),
    breaks: (objects) => {
      get(objects, 'Deployment', 'dashboard').spec.template.spec.containers[0].readinessProbe.httpGet.port = 'door';
    },
  },
  {
    name: 'ConfigMaps that pods read are there, and variables are given once',
    check: (objects) =>
      workloads(objects).flatMap(({ name, pod }) => {
        const maps = [
          ...(pod.volumes ?? []).map((/** @type {any} */ volume) => volume.configMap?.name),
          ...containersOf(pod).flatMap(({ envFrom }) =>
            (envFrom ?? []).map((/** @type {any} */ from) => from.configMapRef?.name),
          ),
        ].filter((map) => map !== undefined && find(objects, 'ConfigMap', map).length === 0);
        const twice = containersOf(pod).flatMap(({ env }) => {
          const names = (env ?? []).map((/** @type {any} */ entry) => entry.name);
          return names.filter(
            (/** @type {string} */ variable, /** @type {number} */ n) => names.indexOf(variable) !== n,
          );
        });
        return [...maps, ...twice].map((missing) => `${name}: ${missing}`);
      }),
    breaks: (objects) => {
      get(objects, 'Deployment', 'gateway').spec.template.spec.containers[0].envFrom[0].configMapRef.name = 'settings';
    },
  },
  {
    name: 'Jobs that are done go away by themselves: a Job that stays cannot be changed by the next apply',
    check: (objects) =>
      find(objects, 'Job')
        .filter(({ spec }) => spec.ttlSecondsAfterFinished === undefined)
        .map(({ metadata }) => metadata.name),
    breaks: (objects) => {
      const [job] = find(objects, 'Job');
      if (job) job.spec.ttlSecondsAfterFinished = undefined;
    },
  },
];
