// @ts-check
/**
 * The k6 of `npm run loadtest` and of its tests: the one on the PATH, or the one that was built before, or one that Go
 * builds now (minutes of two cores) and that is kept in the user's cache, each version by itself.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from './processes.mjs';

/** @typedef {{ readonly module: string, readonly version: string, readonly go: string }} Release */

/** The first with `k6/websockets` as a stable module; they run TypeScript as it is. */
const OLDEST_K6 = /** @type {const} */ ([1, 6]);

/** What is wanted, and the image of the TestRun. `go`: the language that its go.mod asks for. @type {Release} */
export const K6 = { module: 'go.k6.io/k6/v2', version: '2.2.0', go: '1.25.0' };
/** Where that one cannot be had: not every module proxy has everything that it is made of. @type {Release} */
export const STAND_IN = { module: 'go.k6.io/k6', version: '1.8.1', go: '1.25.0' };

/**
 * What to tell a person, in a sentence.
 * @param {string} failure of `buildK6`
 */
export const withoutK6 = (failure) =>
  `There is no k6, and none can be built (${failure}): install k6 ${OLDEST_K6.join('.')} or newer, or Go, with which k6 ${K6.version} is built for you.`;

/** Of what Go says, in characters. */
const MOST_OF_A_CAUSE = 300;

/** @param {NodeJS.ProcessEnv} env @param {string} path */
const inCache = (env, path) => join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'belfry', 'tools', path);

/** Where a built one is kept: it says its file's name before its version. @param {NodeJS.ProcessEnv} env @param {Release} release */
const keptAs = (env, { version }) => inCache(env, join(`k6-${version}`, 'k6'));

/**
 * The k6 that is there and needs no building.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string | undefined>} undefined where there is none, or only older ones than are wanted
 */
export async function findK6(env = process.env) {
  for (const command of ['k6', keptAs(env, K6)]) if (await isUsable(command, env)) return command;
  return undefined;
}

/** @param {string} command @param {NodeJS.ProcessEnv} env */
async function isUsable(command, env) {
  const { code, output } = await run(command, ['version'], { env });
  const [, major = 0, minor = 0] = (/k6(?:\.exe)? v(\d+)\.(\d+)/.exec(output) ?? []).map(Number);
  const [oldest, oldestMinor] = OLDEST_K6;
  return code === 0 && (major > oldest || (major === oldest && minor >= oldestMinor));
}

/** Whether there is something to build with. @param {NodeJS.ProcessEnv} [env] */
export const isGoThere = async (env = process.env) => (await run('go', ['version'], { env })).code === 0;

/**
 * Builds k6 with Go; where the wanted one cannot be built, its stand-in, which may have been built before.
 * @param {{ readonly signal?: AbortSignal, readonly env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<{ path: string, instead?: string } | { failure: string }>} `instead`: why it is the stand-in;
 *   `failure`: why there is none; both are no whole sentences
 */
export async function buildK6({ signal, env = process.env } = {}) {
  /** @type {string[]} */
  const causes = [];
  for (const release of [K6, STAND_IN]) {
    const path = keptAs(env, release);
    const cause = (await isUsable(path, env)) ? undefined : await build(release, path, env, signal);
    if (signal?.aborted) return { failure: 'interrupted' };
    const instead = causes.join('; ');
    if (cause === undefined) return instead ? { path, instead } : { path };
    if (!causes.includes(cause)) causes.push(cause);
  }
  return { failure: causes.join('; ') };
}

/**
 * As a dependency of a module of our own, as `go install <module>@<version>` also asks for the module's latest version,
 * which not every proxy answers.
 *
 * @param {Release} release
 * @param {string} path where it goes
 * @param {NodeJS.ProcessEnv} env
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | undefined>} why not; undefined once it is there
 */
async function build({ module, version, go }, path, env, signal) {
  const host = await run('go', ['env', 'GOHOSTOS', 'GOHOSTARCH'], { env });
  if (host.code !== 0) return 'there is no Go';
  const [GOOS, GOARCH] = host.output.trim().split('\n');
  mkdirSync(dirname(path), { recursive: true });
  const folder = mkdtempSync(inCache(env, 'fetch-'));
  try {
    writeFileSync(join(folder, 'go.mod'), `module belfry.dev/k6\n\ngo ${go}\n\nrequire ${module} v${version}\n`);
    const built = await run(
      // At a low priority: it takes all cores otherwise.
      'nice',
      ['-n', '10', 'go', 'build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', join(folder, 'k6'), module],
      {
        cwd: folder,
        // What a person has set for other builds (flags, workspaces, another machine to build for) is not for this one.
        env: { ...env, GOFLAGS: '-mod=mod', GOWORK: 'off', GO111MODULE: 'on', GOOS, GOARCH, CGO_ENABLED: '0' },
        ...(signal ? { signal } : {}),
      },
    );
    if (built.code !== 0) return `k6 ${version}: ${causeIn(built)}`;
    // Whoever builds it at the same time builds the same.
    if (!existsSync(path)) renameSync(join(folder, 'k6'), path);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * What Go has to say beside its progress, in one line.
 * @param {import('./processes.mjs').RunResult} result
 */
function causeIn({ code, signal, output }) {
  const progress = /^go: (downloading|finding|found|added|extracting) /;
  const lines = output.split('\n').filter((line) => !progress.test(line));
  const text = lines.join(' ').replace(/\s+/g, ' ').trim();
  if (text === '') return `go build ended with ${signal ?? code}`;
  return text.length > MOST_OF_A_CAUSE ? `${text.slice(0, MOST_OF_A_CAUSE)}…` : text;
}
