// @ts-check
/**
 * The k6 of `npm run loadtest` and of its tests: the one on the PATH, or the one that was built before, or one that Go
 * builds now (two minutes of a machine with two cores) and that is kept in the user's cache.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from './processes.mjs';

/** The first with `k6/websockets` as a stable module; they run TypeScript as it is. */
const OLDEST_K6 = /** @type {const} */ ([1, 6]);
/** In this order: module proxies do not have everything that the newest one is made of. */
const MODULES = ['go.k6.io/k6/v2@v2.2.0', 'go.k6.io/k6@v1.8.1'];
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'belfry', 'tools');
const BUILT = join(CACHE, 'bin', 'k6');

export const K6_ADVICE = `Install k6 ${OLDEST_K6.join('.')} or newer, or Go, with which it is built for you.`;

/**
 * The k6 that is there.
 * @param {readonly string[]} [candidates] commands or paths, the best first
 * @returns {Promise<string | undefined>} undefined where there is none that is new enough
 */
export async function findK6(candidates = ['k6', BUILT]) {
  for (const command of candidates) {
    const { code, output } = await run(command, ['version']);
    const [, major = 0, minor = 0] = /k6(?:\.exe)? v(\d+)\.(\d+)/.exec(output) ?? [];
    if (code === 0 && isNewEnough(Number(major), Number(minor))) return command;
  }
  return undefined;
}

/** @param {number} major @param {number} minor */
function isNewEnough(major, minor) {
  const [oldest, oldestMinor] = OLDEST_K6;
  return major > oldest || (major === oldest && minor >= oldestMinor);
}

/**
 * Builds k6, at the lowest priority: it takes both cores otherwise.
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ path: string } | { failure: string }>}
 */
export async function buildK6(signal) {
  if ((await run('go', ['version'])).code !== 0) return { failure: 'there is no Go' };
  mkdirSync(join(CACHE, 'bin'), { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    const env = { ...process.env, GOBIN: folder };
    let failure = '';
    for (const module of MODULES) {
      const args = ['-n', '10', 'go', 'install', '-trimpath', '-ldflags=-s -w', module];
      const built = await run('nice', args, { env, ...(signal ? { signal } : {}) });
      if (signal?.aborted) return { failure: 'interrupted' };
      if (built.code === 0) {
        // Whoever builds it at the same time builds the same.
        if (!existsSync(BUILT)) renameSync(join(folder, 'k6'), BUILT);
        return { path: BUILT };
      }
      failure += `\n${module}: ${built.output.trim().split('\n').at(-1)}`;
    }
    return { failure };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
