/** Runs k6 with a load test's settings in its environment. */
import { freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../scripts/free-port.mjs';
import { spawnOwned } from '../../../scripts/processes.mjs';
import { Interrupted, say } from '../../../scripts/steps.mjs';
import { SCENARIOS } from '../k6/scenarios.ts';
import { OPTIONS, type Option, type OptionName, type Settings } from '../k6/settings.ts';
import { endInTime, PATIENCE, type Patience } from './overdue.ts';
import { describeUsage, usageInShort, watchUsage } from './usage.ts';

const SCRIPT = fileURLToPath(new URL('../../src/k6/main.ts', import.meta.url));

/** Of k6 itself: no word to its makers, no extension fetched. */
const QUIET = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' };

/**
 * k6's garbage stays until it takes a good part of what this machine has to spare: each collection delays all clients for a
 * second, and most runs end before the first one but for that of `collecting`. GOGC and GOMEMLIMIT in the environment say otherwise.
 */
function garbage(): Record<string, string> {
  const bytes = Math.min(MOST_MEMORY, freemem() / 2);
  return { GOGC: 'off', GOMEMLIMIT: `${Math.round(bytes)}` };
}

const MOST_MEMORY = 12 * 2 ** 30;
/** A soak lasts for an hour: whoever looks sees that it goes on. */
const PROGRESS_MS = 60_000;

/** What `main.ts` reads. */
function environmentOf(settings: Settings): Record<string, string> {
  const pairs = (Object.entries(OPTIONS) as [OptionName, Option][]).map(([name, { env }]) => [
    env,
    `${settings[name]}`,
  ]);
  return { LOAD_SCENARIO: settings.scenario, ...Object.fromEntries(pairs) };
}

/** Nothing is heard of k6 until the end: whoever waits knows for how long. */
function announce({ scenario, ...settings }: Settings): number {
  const { connections, ramp, gateway } = settings;
  const seconds = Math.ceil(SCENARIOS[scenario].timeline(settings).quietMs / 1_000);
  const where = gateway.split(',').length;
  say(
    `  Running ${scenario}: ${connections} connections to ${where} ${where === 1 ? 'gateway' : 'gateways'}, over ${ramp} s; ` +
      `the result comes after some ${seconds} s (Ctrl-C ends it before)`,
  );
  return seconds;
}

export interface K6Options {
  readonly signal: AbortSignal;
  /** Others on this machine, by name, whose use of it is shown beside k6's. */
  readonly processes?: ReadonlyMap<string, number>;
  readonly patience?: Patience;
}

/**
 * @returns k6's exit code: 0 where all thresholds held, 99 where not, others where it could not do its work
 * @throws Interrupted where `signal` is aborted already
 * @throws SetupError where k6 did not end by itself
 */
export async function runK6(
  command: string,
  settings: Settings,
  { signal, processes = new Map(), patience = PATIENCE }: K6Options,
): Promise<number> {
  if (signal.aborted) throw new Interrupted();
  // A door of its own: two runs on one machine would both want k6's usual one. It is for `collecting` alone.
  const address = `127.0.0.1:${await freePort()}`;
  const collect = { LOAD_COLLECT_URL: `http://${address}/debug/pprof/heap?gc=1` };
  const child = spawnOwned(
    command,
    ['run', '--no-color', '--quiet', '--address', address, '--profiling-enabled', SCRIPT],
    {
      env: { ...garbage(), ...collect, ...process.env, ...QUIET, ...environmentOf(settings) },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const seconds = announce(settings);
  const usage = watchUsage(new Map([...processes, ['k6', child.pid ?? 0]]));
  const started = performance.now();
  const progress = setInterval(() => {
    const minutes = Math.round((performance.now() - started) / 60_000);
    say(`  Running for ${minutes} of some ${Math.ceil(seconds / 60)} min: ${usageInShort(usage.now())}`);
  }, PROGRESS_MS);
  const guard = endInTime(child, settings, { signal, patience });
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 1));
    });
    guard.check();
    return code;
  } finally {
    clearInterval(progress);
    guard.release();
    process.stdout.write(describeUsage(usage.stop()));
  }
}
