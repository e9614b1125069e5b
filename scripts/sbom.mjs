// @ts-check
/**
 * `npm run -s sbom`: what runs in production, as CycloneDX. npm itself lists what any workspace has, and with `--omit dev`
 * leaves out what one of them needs to run and another one for its tests. So its whole list is taken, and what the shipped
 * packages need by the lockfile is kept.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './setup.mjs';

/** What there is an image of. */
export const SHIPPED = ['packages/gateway', 'packages/publisher', 'packages/dashboard', 'deploy/canary'];

/** The whole list has half a megabyte. */
const MAX_BYTES = 64 * 1024 * 1024;

/** @typedef {Readonly<Record<string, string>>} Wanted versions by name */
/**
 * @typedef {object} Locked
 * @property {string} [name] where it is another one than its folder's
 * @property {string} [version]
 * @property {string} [resolved]
 * @property {boolean} [link] to `resolved`
 * @property {Wanted} [dependencies]
 * @property {Wanted} [optionalDependencies]
 * @property {Wanted} [peerDependencies]
 * @property {Readonly<Record<string, { optional?: boolean }>>} [peerDependenciesMeta]
 */
/** @typedef {Readonly<Record<string, Locked>>} Lockfile packages by their folders */
/** @typedef {{ 'bom-ref': string, name: string }} Component */
/** @typedef {{ ref: string, dependsOn: string[] }} Dependency */
/** @typedef {{ metadata: { component: Component }, components: Component[], dependencies: Dependency[] }} List */

const FOLDER = 'node_modules/';

/**
 * Where Node finds a package from another one's folder.
 * @param {Lockfile} lockfile
 * @param {string} from
 * @param {string} name
 * @returns {string | undefined} undefined where it is not installed
 */
function find(lockfile, from, name) {
  const path = from === '' ? `${FOLDER}${name}` : `${from}/${FOLDER}${name}`;
  const found = lockfile[path];
  if (found) return found.link ? found.resolved : path;
  if (from === '') return undefined;
  // A workspace's packages lie in its own folder, or in the root's.
  return find(lockfile, from.slice(0, Math.max(0, from.lastIndexOf(FOLDER) - 1)), name);
}

/**
 * The folders of what a package needs to run. What it only works together with, when that is there, is not installed for it.
 * @param {Lockfile} lockfile
 * @param {string} path
 */
function needs(lockfile, path) {
  const { dependencies, optionalDependencies, peerDependencies = {}, peerDependenciesMeta = {} } = lockfile[path] ?? {};
  const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
  const names = new Set([...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]);
  return [...names].flatMap((name) => find(lockfile, path, name) ?? []);
}

/**
 * The list with what the shipped packages need, and nothing else.
 * @param {List} list of all that is in the lockfile
 * @param {Lockfile} lockfile
 * @param {readonly string[]} shipped their folders
 * @returns {List}
 */
function keepShipped(list, lockfile, shipped) {
  const nameOf = (/** @type {string} */ path) =>
    lockfile[path]?.name ?? path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
  const refOf = (/** @type {string} */ path) => `${nameOf(path)}@${lockfile[path]?.version}`;

  /** The same version may lie in several folders. @type {Map<string, Set<string>>} */
  const edges = new Map();
  const kept = new Set(shipped);
  for (const path of kept) {
    const ref = refOf(path);
    const needed = needs(lockfile, path);
    edges.set(ref, new Set([...(edges.get(ref) ?? []), ...needed.map(refOf)]));
    for (const each of needed) kept.add(each);
  }

  const own = new Map([...kept].filter((path) => !path.includes(FOLDER)).map((path) => [refOf(path), nameOf(path)]));
  const root = list.metadata.component;
  return {
    ...list,
    // npm calls what is ours by its folder.
    metadata: { ...list.metadata, component: { ...root, name: nameOf('') } },
    components: list.components
      .filter((component) => edges.has(component['bom-ref']))
      .map((component) => ({ ...component, name: own.get(component['bom-ref']) ?? component.name })),
    dependencies: [
      { ref: root['bom-ref'], dependsOn: shipped.map(refOf) },
      ...[...edges].map(([ref, needed]) => ({ ref, dependsOn: [...needed] })),
    ],
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const all = JSON.parse(execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: MAX_BYTES }));
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  process.stdout.write(`${JSON.stringify(keepShipped(all, packages, SHIPPED), null, 2)}\n`);
}
