// @ts-check
/**
 * The tools that check what lies in this folder, kept in the user's cache. `node deploy/verify/tools.mjs` fetches all of
 * them; tests fetch the quick ones by themselves and leave out what needs a tool that cannot be had.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'belfry', 'tools');
const BIN = join(CACHE, 'bin');
const FETCH_TIMEOUT_MS = 60_000;
const BUILD_TIMEOUT_MS = 1_800_000;

/** Exact versions: what was checked here is what is checked elsewhere. */
const KUBERNETES_VALIDATE = 'kubernetes-validate==1.36.0';
const PODMAN_COMPOSE = 'podman-compose==1.6.0';
/** Which of the package's sets: Kubernetes 1.36, no unknown fields, references within the folder. */
const SCHEMA_SET = 'v1.36.0-local-strict';
const GO_TOOLS = /** @type {const} */ ({
  'kube-score': 'github.com/zegl/kube-score/cmd/kube-score@v1.20.0',
  kwok: 'sigs.k8s.io/kwok/cmd/kwok@v0.8.0',
});

/**
 * Where a program is: on the PATH, or in the cache.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findTool(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), BIN];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The folder of Kubernetes' JSON Schemas; fetched by pip (5 MB) where it is not there yet.
 * @returns {Promise<string | undefined>} undefined where it cannot be had
 */
export async function kubernetesSchemas() {
  const folder = join(CACHE, SCHEMA_SET);
  if (existsSync(folder)) return folder;
  return await fetched(async (temporary) => {
    await run('pip', ['download', '--quiet', '--no-deps', '--dest', temporary, KUBERNETES_VALIDATE], limits());
    const wheel = readdirSync(temporary).find((file) => file.endsWith('.whl'));
    if (!wheel) throw new Error('pip brought no wheel');
    await run('python3', ['-m', 'zipfile', '-e', join(temporary, wheel), temporary], limits());
    moveInto(join(temporary, 'kubernetes_validate', 'kubernetes-json-schema', SCHEMA_SET), folder);
    return folder;
  });
}

/** Prometheus' own checker, 20 MB to fetch. */
export const promtool = () => fromDebian('prometheus', join('usr', 'bin', 'promtool'));

/** The server of the dashboard's image, though older than the one there; half a megabyte to fetch. */
export const nginx = () => fromDebian('nginx', join('usr', 'sbin', 'nginx'));

/**
 * One program; taken out of Debian's package where it is not there yet. Nothing is installed.
 * @param {string} name of the package
 * @param {string} path in the package
 * @returns {Promise<string | undefined>} undefined where it cannot be had
 */
async function fromDebian(name, path) {
  const program = basename(path);
  const found = findTool(program);
  if (found) return found;
  return await fetched(async (temporary) => {
    await run('apt-get', ['download', name], { ...limits(), cwd: temporary });
    const deb = readdirSync(temporary).find((file) => file.endsWith('.deb'));
    if (!deb) throw new Error('apt-get brought no package');
    await run('dpkg', ['-x', join(temporary, deb), temporary], limits());
    moveInto(join(temporary, path), join(BIN, program));
    return join(BIN, program);
  });
}

/**
 * Runs compose files with podman; fetched by pip where it is not there yet.
 * @returns {Promise<{ script: string, modules: string } | undefined>} the script for Python and where its modules are
 */
export async function podmanCompose() {
  const folder = join(CACHE, PODMAN_COMPOSE);
  const found = { script: join(folder, 'podman_compose.py'), modules: folder };
  if (existsSync(folder)) return found;
  return await fetched(async (temporary) => {
    const into = join(temporary, 'modules');
    await run('pip', ['install', '--quiet', '--disable-pip-version-check', '--target', into, PODMAN_COMPOSE], limits());
    moveInto(into, folder);
    return found;
  });
}

/**
 * Built by Go where it is not there yet: minutes.
 * @param {keyof typeof GO_TOOLS} name
 */
async function goTool(name) {
  const found = findTool(name);
  if (found) return found;
  return await fetched(async () => {
    if (!findTool('go')) throw new Error(`Go is missing, which builds ${name}`);
    await run('go', ['install', '-trimpath', '-ldflags=-s -w', GO_TOOLS[name]], {
      timeout: BUILD_TIMEOUT_MS,
      env: { ...process.env, GOBIN: BIN },
    });
    return join(BIN, name);
  });
}

const limits = () => ({ timeout: FETCH_TIMEOUT_MS });

/** @param {string} from @param {string} to */
function moveInto(from, to) {
  mkdirSync(join(to, '..'), { recursive: true });
  // Two that fetch at once bring the same; the first one stays.
  if (!existsSync(to)) renameSync(from, to);
}

/**
 * @template T
 * @param {(temporary: string) => Promise<T>} fetch
 * @returns {Promise<T | undefined>}
 */
async function fetched(fetch) {
  mkdirSync(CACHE, { recursive: true });
  const temporary = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    return await fetch(temporary);
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message.split('\n')[0]}\n`);
    return undefined;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const tools = {
    kubectl: findTool('kubectl'),
    'Kubernetes schemas': await kubernetesSchemas(),
    promtool: await promtool(),
    nginx: await nginx(),
    'kube-score': await goTool('kube-score'),
    kwok: await goTool('kwok'),
    'podman-compose': (await podmanCompose())?.script,
    buildah: findTool('buildah'),
    podman: findTool('podman'),
    mmdebstrap: findTool('mmdebstrap'),
  };
  for (const [name, path] of Object.entries(tools)) {
    process.stdout.write(`${name.padEnd(20)} ${path ?? 'cannot be had here'}\n`);
  }
}
