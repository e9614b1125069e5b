// @ts-check
/** What kustomize makes of the folders here, as objects. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';

const run = promisify(execFile);
export const K8S = join(dirname(dirname(fileURLToPath(import.meta.url))), 'k8s');
export const OVERLAYS = /** @type {const} */ (['dev', 'staging', 'prod']);

/**
 * @typedef {{
 *   apiVersion: string,
 *   kind: string,
 *   metadata: { name: string, namespace?: string, labels?: Record<string, string>, annotations?: Record<string, string> },
 *   [field: string]: any,
 * }} KubernetesObject
 */

/**
 * @param {string} kubectl
 * @param {string} folder with a kustomization
 * @returns {Promise<KubernetesObject[]>}
 */
export async function render(kubectl, folder) {
  const { stdout } = await run(kubectl, ['kustomize', folder], { maxBuffer: 64 * 1024 * 1024 });
  return parseAllDocuments(stdout).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS();
  });
}

/**
 * The base with these components, as an overlay would have them.
 * @param {string} kubectl
 * @param {readonly string[]} components
 * @param {object} [more] fields of the kustomization
 * @returns {Promise<KubernetesObject[]>}
 */
export async function renderWith(kubectl, components, more = {}) {
  const folder = await mkdtemp(join(K8S, 'overlays', '.tried-'));
  try {
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: [relative(folder, join(K8S, 'base'))],
      components: components.map((name) => relative(folder, join(K8S, 'components', name))),
      ...more,
    };
    await writeFile(join(folder, 'kustomization.yaml'), stringify(kustomization));
    return await render(kubectl, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What no overlay uses, in two environments that nobody has. */
const COMPONENTS = {
  legacy: ['redis-dev', 'ingress-nginx', 'hpa', 'network-policies', 'operators-ingress-nginx'],
  issued: ['redis-dev', 'gateway-api', 'hpa', 'monitoring', 'network-policies', 'issuer', 'operators-gateway-api'],
};
export const TRIED = /** @type {(keyof typeof COMPONENTS)[]} */ (Object.keys(COMPONENTS));

/** @param {string} kubectl @param {keyof typeof COMPONENTS} name */
export const renderTried = (kubectl, name) => renderWith(kubectl, COMPONENTS[name], { namespace: `belfry-${name}` });

/**
 * The pod template of whatever makes pods.
 * @param {KubernetesObject} object
 * @returns {any} undefined where it makes none
 */
export function podTemplateOf(object) {
  switch (object.kind) {
    case 'Pod':
      return object;
    case 'Deployment':
    case 'StatefulSet':
    case 'DaemonSet':
    case 'ReplicaSet':
    case 'Job':
      return object.spec.template;
    case 'CronJob':
      return object.spec.jobTemplate.spec.template;
    default:
      return undefined;
  }
}
