// @ts-check
/** Who wants us to stop: Ctrl-C, SIGTERM, a closed terminal, or a parent that is gone. */

import { spawnSync } from 'node:child_process';

/** npm passes on the SIGINT that the terminal has sent to us already: two within this time are one Ctrl-C. */
const SAME_PRESS_MS = 500;
const PARENT_INTERVAL_MS = 500;

/**
 * @param {() => void} force called when somebody asks a second time
 * @returns {{ signal: AbortSignal, requested: Promise<void> }} aborted, and resolved, by the first request
 */
export function watchStopRequests(force) {
  const controller = new AbortController();
  let first = 0;
  const ask = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
    } else if (performance.now() - first > SAME_PRESS_MS) {
      force();
    }
  };
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(name, ask);

  const parent = process.ppid;
  const npm = npmAbove(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === undefined || isAlive(npm))) return;
    clearInterval(timer);
    ask();
  }, PARENT_INTERVAL_MS);
  timer.unref();
  // The terminal may be gone before us: what we say then reaches nobody, which is no reason to stop stopping.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

  return {
    signal: controller.signal,
    requested: new Promise((resolve) => controller.signal.addEventListener('abort', () => resolve(), { once: true })),
  };
}

/**
 * npm runs us in a shell, which outlives an npm that is killed: npm is the one to watch.
 * @param {number} parent
 * @returns {number | undefined} npm's process id, where it is not our parent itself
 */
function npmAbove(parent) {
  if (!process.env.npm_lifecycle_event) return undefined;
  const { stdout } = spawnSync('ps', ['-o', 'ppid=', '-o', 'comm=', '-p', `${parent}`], { encoding: 'utf8' });
  const [, pid, command = ''] = /^\s*(\d+)\s+(.*?)\s*$/.exec(stdout ?? '') ?? [];
  return /(^|\/)(ba|da|z|k|a)?sh$/.test(command) ? Number(pid) : undefined;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
