/** One run of the bench: every workload with every contender, in turns, on this machine, now. */
import { CONTENDERS, type ContenderName, isBareWith } from './contenders/names.js';
import { describeMachine, type MachineDescription } from './machine/describe.js';
import type { Result, Workload } from './workloads/index.js';
import type { Usage } from './workloads/stage.js';

/** What a contender brought in a workload: of several rounds, the one in the middle. */
export interface Outcome {
  readonly median: Result;
  readonly rounds: readonly Result[];
}

export type Outcomes = Partial<Record<ContenderName, Outcome | { readonly skipped: string }>>;

/** A run as it is written to disk. */
export interface Run {
  readonly date: string;
  readonly machine: MachineDescription;
  /** Whether the server had a core for itself. */
  readonly pinned: boolean;
  readonly workloads: Record<string, Outcomes>;
}

export interface RunOptions {
  readonly workloads: readonly Workload[];
  readonly contenders: readonly ContenderName[];
  /** For those that are compared closely, where the workload asks for several; the others run once. Odd. */
  readonly rounds: number;
  /** Milliseconds for all of it. Where it gets late, workloads have fewer rounds; each has one. */
  readonly budgetMs: number;
  readonly pinned: boolean;
  /** Why a contender cannot take part. */
  readonly absent: ReadonlyMap<ContenderName, string>;
  readonly onProgress: (text: string) => void;
  /** A workload is through; `run` is what there is so far. */
  readonly onWorkload: (workload: Workload, run: Run) => void;
}

/** The gateway is held against the bare servers: their rounds alternate, so that all see the machine alike. */
const isCompared = (name: ContenderName): boolean => name === 'bare' || name === 'belfry' || isBareWith(name);

export async function runAll(options: RunOptions): Promise<Run> {
  const workloads: Record<string, Outcomes> = {};
  const run: Run = { date: new Date().toISOString(), machine: describeMachine(), pinned: options.pinned, workloads };
  const started = performance.now();
  for (const [n, workload] of options.workloads.entries()) {
    const until = started + (options.budgetMs * (n + 1)) / options.workloads.length;
    workloads[workload.name] = await runWorkload(workload, options, until);
    options.onWorkload(workload, run);
  }
  return run;
}

/** @param until when this workload's time is over, by `performance.now` */
async function runWorkload(workload: Workload, options: RunOptions, until: number): Promise<Outcomes> {
  const results = new Map<ContenderName, Result[]>();
  const outcomes: Outcomes = {};
  for (const [round, contender] of turns(workload, options)) {
    // Those that are compared have the same number of rounds, and an odd one: of two, the one in the middle is the better.
    if (round % 2 === 0 && contender === 'bare' && performance.now() > until) break;
    const why = options.absent.get(contender);
    if (why !== undefined) {
      outcomes[contender] = { skipped: why };
      continue;
    }
    options.onProgress(`${workload.name}: ${contender}, round ${round}`);
    try {
      const result = await runUndisturbed(workload, contender, options);
      results.set(contender, [...(results.get(contender) ?? []), result]);
    } catch (error) {
      options.onProgress(`${workload.name}: ${contender} failed: ${(error as Error).message}`);
      outcomes[contender] = { skipped: (error as Error).message };
    }
  }
  for (const [contender, rounds] of results) {
    const ordered = [...rounds].sort((a, b) => workload.figure.of(a) - workload.figure.of(b));
    outcomes[contender] = { median: ordered[Math.floor((ordered.length - 1) / 2)] as Result, rounds };
  }
  return outcomes;
}

/** A round in which the host gave much of the machine to others is made again: it says more about them. */
async function runUndisturbed(
  workload: Workload,
  contender: ContenderName,
  { onProgress }: RunOptions,
): Promise<Result> {
  let least: Result | undefined;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    let result: Result;
    try {
      result = (await workload.run(contender)) as Result;
    } catch (error) {
      if (least === undefined) throw error;
      onProgress(`${workload.name}: ${contender} failed once more: ${(error as Error).message}`);
      break;
    }
    const stolen = stolenIn(result);
    if (least === undefined || stolen < stolenIn(least)) least = result;
    if (stolen <= MAX_STOLEN || !isCompared(contender)) break;
    onProgress(`${workload.name}: others had ${(stolen * 100).toFixed(1)} % of a core; ${contender} once more`);
  }
  return least as Result;
}
/** In cores. A hundredth of one, in a window of some seconds, is as long as the slowest percent of all deliveries. */
const MAX_STOLEN = 0.01;
const MAX_ATTEMPTS = 3;

const stolenIn = ({ usage }: Result): number => (usage as Usage | undefined)?.stolen ?? 0;

function* turns(
  workload: Workload,
  { contenders, rounds: most }: RunOptions,
): Iterable<readonly [round: number, contender: ContenderName]> {
  const rounds = workload.severalRounds ? most : 1;
  const asked = CONTENDERS.filter(
    (name) => contenders.includes(name) && (!isBareWith(name) || workload.tellsApart.includes(name)),
  );
  for (let round = 1; round <= rounds; round += 1) {
    for (const name of asked) if (round === 1 || isCompared(name)) yield [round, name];
  }
}
