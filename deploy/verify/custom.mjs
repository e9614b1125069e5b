// @ts-check
/**
 * Unknown fields of custom resources. The validators made of the CRDs take any, so each object is written down as a literal
 * of its type (made of the same CRDs) and given to the compiler, which lets no literal have a field too many.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @typedef {import('./render.mjs').KubernetesObject} KubernetesObject */

const MODULES = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'node_modules');
const COMPILER = join(MODULES, 'typescript', 'bin', 'tsc');
const TIMEOUT_MS = 120_000;
const FLAGS = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--pretty', 'false', '--types', ''];
const LANGUAGE = ['--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler'];

/** Where the types of a group's kinds are. @type {Readonly<Record<string, string>>} */
const TYPES = {
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  'keda.sh/v1alpha1': '@kubernetes-models/keda/keda.sh/v1alpha1',
  'gateway.networking.k8s.io/v1': '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1',
};

/** Is there a type of it? Others are left out: Kubernetes' own schemas are strict. @param {KubernetesObject} object */
export const isCustom = ({ apiVersion }) => apiVersion in TYPES;

/**
 * What the compiler has against the custom resources among these: a second's work, for however many.
 * @param {readonly KubernetesObject[]} objects
 * @returns {Promise<string[]>} one or more sentences for each object that is wrong; of several unknown fields in one place
 *   it may name the first one only
 */
export async function checkFields(objects) {
  const custom = objects.filter(isCustom);
  // Within the modules, so that the types are found and nothing else here sees the file.
  mkdirSync(join(MODULES, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(MODULES, '.cache', 'custom-resources-'));
  try {
    // A line each: the line of a complaint says whose it is.
    const lines = custom.map(
      (object, n) =>
        `export const _${n}: import('${TYPES[object.apiVersion]}').I${object.kind} = ${JSON.stringify(object)};`,
    );
    writeFileSync(join(folder, 'objects.ts'), lines.join('\n'));
    const { code, output } = await compile(folder);
    const faults = [...output.matchAll(/^objects\.ts\((\d+),\d+\): error TS\d+: (.+)$/gm)].map(([, line, message]) => {
      const object = custom[Number(line) - 1];
      return `${object?.kind} ${object?.metadata.name}: ${message?.replaceAll('"', '')}`;
    });
    if ((code === 0) !== (faults.length === 0)) throw new Error(`the compiler ended with ${code}: ${output}`);
    return faults;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder @returns {Promise<{ code: number, output: string }>} */
const compile = (folder) =>
  new Promise((resolve, reject) => {
    const args = [COMPILER, ...FLAGS, ...LANGUAGE, 'objects.ts'];
    execFile(process.execPath, args, { cwd: folder, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: Number(error?.code ?? 0), output: `${stdout}${stderr}` });
    });
  });
