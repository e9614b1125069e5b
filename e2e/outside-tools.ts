/**
 * Programs that are not ours: shells, curl, redis-cli, Python. What a test runs with them ends with the test; where one is
 * missing, the test that needs it is skipped and says why.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { deferred, within } from '@belfry/testkit';
import { buildK6, findK6, withoutK6 } from '../scripts/k6.mjs';
import { run, spawnOwned, stopProcess } from '../scripts/processes.mjs';
import { ROOT } from '../scripts/setup.mjs';

export { isGoThere } from '../scripts/k6.mjs';

const WEBSOCKETS = 'websockets==15.0.1';
/** Kept from run to run; `npm install` may remove it. */
const PYTHON_PACKAGES = join(ROOT, 'node_modules', '.cache', 'belfry-python');

const answers = async (command: string, question: string): Promise<boolean> =>
  (await run(command, [question])).code === 0;
export const isThere = (command: string): Promise<boolean> => answers(command, '--version');

/** What Go needs for k6 on two cores, where it has not been built before. */
const BUILD_K6_MS = 900_000;

/** k6's command; undefined, and why, where it is not there and cannot be built. */
export async function provideK6(): Promise<string | undefined> {
  const found = await findK6();
  if (found) return found;
  const built = await buildK6({ signal: AbortSignal.timeout(BUILD_K6_MS) });
  if ('path' in built) return built.path;
  console.log(`skipped: ${withoutK6(built.failure)}`);
  return undefined;
}

export interface PythonWithWebsockets {
  readonly env: Readonly<Record<string, string>>;
  /** Why it cannot be had; undefined where it can. */
  readonly missing: string | undefined;
}

/** Python's `websockets`, installed into a folder of this repository that nothing else sees. */
export async function pythonWithWebsockets(): Promise<PythonWithWebsockets> {
  const env = { PYTHONPATH: PYTHON_PACKAGES };
  const unavailable = (reason: string) => ({ env, missing: `skipped: ${reason}` });
  if (!(await isThere('python3'))) return unavailable('there is no python3');
  if (existsSync(join(PYTHON_PACKAGES, 'websockets'))) return { env, missing: undefined };
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', PYTHON_PACKAGES];
  const installed = await run('python3', [...install, WEBSOCKETS]);
  if (installed.code !== 0) return unavailable(`pip could not install ${WEBSOCKETS}: ${installed.output.trim()}`);
  return { env, missing: undefined };
}

export interface OutsideProgram {
  /** Everything it has written so far. */
  output(): string;
  /** Resolves with the output once it holds `text`. */
  says(text: string, options?: { deadlineMs?: number }): Promise<string>;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
  stop(): Promise<void>;
}

/** Starts a program with `input` on its standard input. */
export function startOutside(
  command: string,
  args: readonly string[],
  { input = '', env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): OutsideProgram {
  const child = spawnOwned(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let written = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      written += text;
      for (const look of waiting) look();
    });
  }
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  return {
    output: () => written,
    async says(text, options = {}) {
      const found = deferred<string>();
      const look = () => written.includes(text) && found.resolve(written);
      waiting.add(look);
      look();
      const failed = ended.then((code): never => {
        if (written.includes(text)) return found.promise as never;
        throw new Error(`${command} ended with ${code} and never said ${text}: ${written}`);
      });
      failed.catch(() => undefined);
      try {
        return await within(Promise.race([found.promise, failed]), text, { ...options, seen: () => written });
      } finally {
        waiting.delete(look);
      }
    },
    ended,
    stop: () => stopProcess(child),
  };
}
