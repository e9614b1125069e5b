/** A load test from its command line to its exit code: finds k6, starts a cluster where no address is given, runs it. */
import { buildK6, findK6, isGoThere, K6, STAND_IN, withoutK6 } from '../../../scripts/k6.mjs';
import { Interrupted, SetupError, say, step } from '../../../scripts/steps.mjs';
import { WrongSettings } from '../k6/settings.ts';
import { readArguments } from './arguments.ts';
import { startCluster } from './cluster.ts';
import { HELP } from './help.ts';
import { runK6 } from './k6.ts';
import type { Patience } from './overdue.ts';
import { checkReach, clearSummary } from './reach.ts';

/** As with most commands: 2 says that it was called wrongly. */
const WRONG_CALL = 2;
/** k6's own: somebody asked it to stop. */
const ENDED_EARLY = 105;

/**
 * @param patience with a k6 that does not end; by default, some minutes
 * @returns the exit code: 0 passed, 99 a threshold did not hold, 2 wrong arguments, 105 ended early
 * @throws SetupError where k6 cannot be had, there is nobody to test, or k6 did not end by itself
 */
export async function runLoadTest(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  patience?: Patience,
): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  let wanted: ReturnType<typeof readArguments>;
  try {
    wanted = readArguments(argv, env);
  } catch (error) {
    if (!(error instanceof WrongSettings)) throw error;
    process.stderr.write(`${error.message}\n\`npm run loadtest -- --help\` shows all there is.\n`);
    return WRONG_CALL;
  }
  clearSummary(wanted.settings.summary);
  if (wanted.settings.gateway !== '') await checkReach(wanted.settings, env);
  const k6 = await provideK6(signal);
  if (wanted.settings.gateway !== '') return told(await runK6(k6, wanted.settings, { signal, patience }));
  const cluster = await step('Starting a cluster', () => startCluster(wanted.settings, wanted.gateways));
  try {
    return told(await runK6(k6, cluster.settings, { signal, processes: cluster.processes, patience }));
  } finally {
    await step('Stopping the cluster', () => cluster.stop());
  }
}

function told(code: number): number {
  if (code === ENDED_EARLY)
    say('\nThe run was ended early: its verdict is of what was known by then, and proves nothing.');
  return code;
}

async function provideK6(signal: AbortSignal): Promise<string> {
  const found = await findK6();
  if (found) return found;
  // Without Go there may still be the stand-in that was built before; nothing is built then, and nothing said of it.
  const build = () => buildK6({ signal });
  const built = (await isGoThere()) ? await step(`Building k6 ${K6.version} with Go`, build) : await build();
  if (signal.aborted) throw new Interrupted();
  if ('failure' in built) throw new SetupError(withoutK6(built.failure));
  if (built.instead) say(`  It is k6 ${STAND_IN.version}, as the newer one cannot be built (${built.instead}).`);
  return built.path;
}
