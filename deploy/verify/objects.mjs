// @ts-check
/** Finding one's way among the objects of an overlay. */
import { podTemplateOf } from './render.mjs';

/** @typedef {import('./render.mjs').KubernetesObject} KubernetesObject */

/** @param {readonly KubernetesObject[]} objects @param {string} kind @param {string} [name] */
export const find = (objects, kind, name) =>
  objects.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name));

/** @param {readonly KubernetesObject[]} objects @param {string} kind @param {string} name */
export function get(objects, kind, name) {
  const [object] = find(objects, kind, name);
  if (!object) throw new Error(`there is no ${kind} ${name}`);
  return object;
}

/** @param {readonly KubernetesObject[]} objects */
export const workloads = (objects) =>
  objects.flatMap((object) => {
    const template = podTemplateOf(object);
    return template ? [{ name: `${object.kind} ${object.metadata.name}`, object, template, pod: template.spec }] : [];
  });

/** @param {any} pod */
export const containersOf = (pod) => [...(pod.initContainers ?? []), ...pod.containers];

/** Does a label selector choose these labels? @param {any} selector @param {Record<string, string>} labels */
export const selects = (selector, labels) =>
  Object.entries(selector ?? {}).every(([key, value]) => labels?.[key] === value);

/**
 * The same for a selector that may have expressions, of which `In` and `NotIn` are known here. An empty one chooses all.
 * @param {any} selector
 * @param {Record<string, string>} labels
 */
export const selectsPods = (selector, labels) =>
  selects(selector.matchLabels, labels) &&
  (selector.matchExpressions ?? []).every((/** @type {any} */ { key, operator, values }) => {
    if (operator !== 'In' && operator !== 'NotIn') throw new Error(`nobody here knows the operator ${operator}`);
    return values.includes(labels?.[key]) === (operator === 'In');
  });
