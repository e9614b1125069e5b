// @ts-check
/**
 * What every command needs before it can do its work: the packages and the build. Plain Node and nothing else, as it
 * runs before anything is installed. Does nothing that was done before.
 */
import { existsSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './processes.mjs';
import { Interrupted, SetupError, say, step } from './steps.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** npm writes it last: where it is missing, an installation was interrupted. */
const INSTALLED = join(ROOT, 'node_modules', '.package-lock.json');
const OLDEST_NODE = [20, 19];
const TOO_NEW_NODE = 23;

/** @param {string} name */
export const binary = (name) => join(ROOT, 'node_modules', '.bin', name);

/** uWebSockets.js brings binaries for some versions of Node only: say so before an install that takes a minute. */
export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldest = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major < TOO_NEW_NODE && (major > oldest || (major === oldest && minor >= oldestMinor))) return;
  throw new SetupError(`This is Node ${version}; Belfry needs ${OLDEST_NODE.join('.')} to ${TOO_NEW_NODE - 1}.`);
}

/**
 * Runs a command of the set-up, in the repository's root where no other folder is named.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ signal?: AbortSignal | undefined, env?: Record<string, string>, cwd?: string, orphan?: import('./processes.mjs').Orphan }} options
 * @throws SetupError with all that it said, if it fails
 */
export async function runOrExplain(command, args, { signal, env = {}, cwd = ROOT, orphan = 'kill' } = {}) {
  const result = await run(command, args, { cwd, env: { ...process.env, ...env }, signal, orphan });
  if (signal?.aborted) throw new Interrupted();
  if (result.code !== 0) throw new SetupError(`${result.output.trim()}\n\nFailed: ${command} ${args.join(' ')}`);
}

/** @param {AbortSignal} [signal] */
export async function installPackages(signal) {
  const lockfile = join(ROOT, 'package-lock.json');
  const installed = existsSync(INSTALLED);
  if (installed && statSync(INSTALLED).mtimeMs >= statSync(lockfile).mtimeMs) return;
  await step('Installing packages', async () => {
    // `ci` begins by removing node_modules: right for a first installation, slow after every `git pull`.
    if (installed && !process.env.CI) await npm(['install'], signal);
    else await installAsLocked(signal);
    utimesSync(INSTALLED, new Date(), new Date());
  });
}

/**
 * A lockfile written where a registry lacks other platforms' packages does not name them, and `ci` refuses it: then
 * `install` takes what the lockfile does name, and leaves the file as it is.
 * @param {AbortSignal} [signal]
 */
async function installAsLocked(signal) {
  try {
    await npm(['ci'], signal);
  } catch (error) {
    if (!(error instanceof SetupError && error.message.includes('EUSAGE'))) throw error;
    say('  package-lock.json is incomplete: installing what it names.');
    await npm(['install', '--no-save'], signal);
  }
}

/**
 * Runs the npm that runs us, where one does: it may be another than the one on the PATH.
 * @param {readonly string[]} args
 * @param {AbortSignal} [signal]
 */
async function npm(args, signal) {
  const quiet = [...args, '--loglevel=error', '--no-audit', '--no-fund'];
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) await runOrExplain(process.execPath, [script, ...quiet], { signal });
  else await runOrExplain('npm', quiet, { signal });
}

/**
 * @param {AbortSignal} [signal] ends it, and all that it has under way
 * @param {string} [cwd] the folder with `turbo.json`
 */
export async function build(signal, cwd = ROOT) {
  await step('Building', () =>
    runOrExplain(binary('turbo'), ['run', 'build', '--output-logs=errors-only', '--no-update-notifier'], {
      signal,
      cwd,
      env: { TURBO_TELEMETRY_DISABLED: '1' },
      // Each task leads a group of its own, which a kill of turbo would leave at work: turbo has to end them.
      orphan: 'interrupt-group',
    }),
  );
}

/**
 * All that a command needs which is not there yet.
 * @param {AbortSignal} [signal]
 */
export async function setUp(signal) {
  checkNode();
  await installPackages(signal);
  await build(signal);
}
