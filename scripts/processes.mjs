// @ts-check
/**
 * Child processes and temporary folders that never outlive us. Each has a warden: a shell that waits at the other end
 * of a pipe. When the pipe closes without a word, because we ended in whatever way (SIGKILL too), the warden cleans up.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WATCH_PROCESS = 'read -r target || exit 0; read -r word || kill -s "$1" -- "$target"';
// Processes that still write into the folder are killed at the same moment by their own wardens: let them end first.
const WATCH_FOLDER = 'read -r word || { sleep 0.5; rm -rf -- "$1"; }';

/** @typedef {{ tell(line: string): void }} Warden */

/**
 * @param {string} script
 * @param {string} argument
 * @returns {Warden}
 */
function startWarden(script, argument) {
  // A session of its own, so that the Ctrl-C that ends us does not end the one who cleans up after us.
  const warden = spawn('/bin/sh', ['-c', script, 'belfry-warden', argument], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a shell there is no warden, and a normal stop still cleans up: not worth ending for.
  warden.on('error', () => undefined);
  const { stdin } = warden;
  stdin.on('error', () => undefined);
  warden.unref();
  /** @type {import('node:net').Socket} */ (/** @type {unknown} */ (stdin)).unref();
  return { tell: (line) => void stdin.write(`${line}\n`) };
}

/**
 * @typedef {'kill' | 'interrupt' | 'interrupt-group'} Orphan
 *   What happens to a process when we die: `kill` (default) its group; or SIGINT for what must end in its own way, to the
 *   process alone, as package managers want it, or to its group, as those do that start groups of their own.
 */

/**
 * Starts a process that is killed when this one ends. It leads a process group of its own: a Ctrl-C in the terminal
 * does not reach it, so its owner decides in what order things stop, and its own children end with it.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions & { orphan?: Orphan }} [options]
 */
export function spawnOwned(command, args, { orphan = 'kill', ...options } = {}) {
  const warden = startWarden(WATCH_PROCESS, orphan === 'kill' ? 'KILL' : 'INT');
  const child = spawn(command, args, { ...options, detached: true });
  if (child.pid !== undefined) {
    warden.tell(orphan === 'interrupt' ? `${child.pid}` : `-${child.pid}`);
    child.once('exit', () => warden.tell('ended'));
  }
  return child;
}

/** Sends `signal` to the process group that `child` leads. @returns false where it has already ended
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
export function signalGroup(child, signal) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH') return false;
    throw error;
  }
}

/** Asks `child` to stop, and kills it after `graceMs`. Resolves when it has ended.
 * @param {import('node:child_process').ChildProcess} child
 * @param {number} [graceMs] milliseconds
 * @returns {Promise<void>}
 */
export async function stopProcess(child, graceMs = 10_000) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  signalGroup(child, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
  await ended;
  clearTimeout(timer);
}

/**
 * A folder in the system's temporary folder that is removed when this process ends.
 * @param {string} name what it is for; part of the path
 */
export function ownFolder(name) {
  const path = join(tmpdir(), `belfry-${name}-${randomBytes(6).toString('hex')}`);
  const warden = startWarden(WATCH_FOLDER, path);
  mkdirSync(path, { mode: 0o700 });
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      warden.tell('removed');
    },
  };
}

/**
 * @typedef {{ code: number | null, signal: NodeJS.Signals | null, output: string }} RunResult
 */

/**
 * Runs a command to its end and keeps what it says (stdout and stderr as they came).
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions & { orphan?: Orphan, signal?: AbortSignal }} [options]
 * @returns {Promise<RunResult>} never rejects: a command that cannot be started has code 127
 */
export function run(command, args, { signal, ...options } = {}) {
  return new Promise((resolve) => {
    /** @type {string[]} */
    const output = [];
    const child = spawnOwned(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const interrupt = () => {
      if (options.orphan === 'interrupt') child.kill('SIGINT');
      else signalGroup(child, options.orphan === 'interrupt-group' ? 'SIGINT' : 'SIGKILL');
    };
    if (signal?.aborted) interrupt();
    signal?.addEventListener('abort', interrupt);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => output.push(text));
    }
    child.once('error', (error) => resolve({ code: 127, signal: null, output: `${command}: ${error.message}\n` }));
    child.once('close', (code, ended) => {
      signal?.removeEventListener('abort', interrupt);
      resolve({ code, signal: ended, output: output.join('') });
    });
  });
}
