/**
 * Runs one target for a while: its corpus first, then mutations of it. An input that reaches code which none reached
 * before joins the corpus. A finding is an input that threw, took too long, or left memory behind.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { countBlocks } from './coverage.js';
import { createMutator, createRandom } from './mutate.js';
import type { Target } from './target.js';

export interface CampaignOptions {
  readonly milliseconds: number;
  /** Goes on until it has run as many inputs, however long that takes on a busy machine. Default: 0. */
  readonly leastInputs?: number;
  /** Ends with so many. Default: `MAX_FINDINGS`. */
  readonly maxFindings?: number;
  readonly seed: number;
  readonly corpusFolder: string;
  /** Writes inputs that reached new code to the corpus folder. */
  readonly keep: boolean;
  /** What may be left behind. Default: `MAX_GROWTH_BYTES`. */
  readonly maxGrowthBytes?: number;
}

export interface Finding {
  readonly what: string;
  readonly input: Buffer;
}

export interface CampaignResult {
  readonly target: string;
  readonly inputs: number;
  readonly corpus: number;
  /** Blocks of our own code that ran. */
  readonly blocks: number;
  readonly grownBytes: number;
  readonly findings: readonly Finding[];
}

const BATCH = 200;
/** Processor time for one input of at most 32 KB. Far above what any needs, far below what a stranger could use. */
const MAX_MILLISECONDS = 250;
const MAX_CORPUS = 600;
const MAX_FINDINGS = 10;
/** What the corpus and V8's own books may add between the first fifth and the end. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
function usedBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

export async function runCampaign(target: Target, options: CampaignOptions): Promise<CampaignResult> {
  const random = createRandom(options.seed);
  const mutator = createMutator(random, target.words);
  const folder = join(options.corpusFolder, target.name);
  const corpus = [...target.seeds.map((text) => Buffer.from(text)), ...readCorpus(folder)];
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const places = new Set<string>();
  const counter = target.inProcess === false ? undefined : countBlocks();
  const started = performance.now();
  let inputs = 0;
  let early: number | undefined;
  const { leastInputs = 0, maxFindings = MAX_FINDINGS } = options;
  /** Whether that part of the campaign is over. */
  const isOver = (part = 1): boolean =>
    performance.now() - started >= options.milliseconds * part && inputs >= leastInputs * part;

  /** The first of a kind: what is thrown at the same place is one finding, whatever its words. */
  function note(what: string, input: Buffer): void {
    const place = what.split('\n').find((each) => each.trimStart().startsWith('at ') && each.includes('/')) ?? 'slow';
    if (places.has(place)) return;
    places.add(place);
    findings.push({ what, input });
  }

  async function run(input: Buffer): Promise<void> {
    inputs += 1;
    const before = process.cpuUsage();
    try {
      const result = target.run(input);
      if (result) await result;
    } catch (error) {
      note((error as Error).stack ?? String(error), input);
    }
    const { system, user } = process.cpuUsage(before);
    if ((system + user) / 1000 > MAX_MILLISECONDS && target.inProcess !== false) {
      // Once more: a collection of garbage is not the input's doing.
      const again = process.cpuUsage();
      await Promise.resolve(target.run(input)).catch(() => undefined);
      const { system: s, user: u } = process.cpuUsage(again);
      if ((s + u) / 1000 > MAX_MILLISECONDS) note(`took ${(s + u) / 1000} ms`, input);
    }
  }

  /** What of `batch` reaches something new: one by one, because a batch is counted as a whole. */
  async function keepNew(batch: readonly Buffer[]): Promise<void> {
    if (!counter) return;
    const fresh = [...counter.take()].some((block) => !seen.has(block));
    if (!fresh) return;
    for (const input of batch) {
      await run(input);
      const blocks = [...counter.take()].filter((block) => !seen.has(block));
      if (blocks.length === 0) continue;
      for (const block of blocks) seen.add(block);
      if (corpus.length >= MAX_CORPUS) continue;
      corpus.push(Buffer.from(input));
      if (options.keep && input.length <= 4_096) writeInput(folder, input);
    }
  }

  const first = [...corpus];
  for (const input of first) await run(input);
  for (const block of counter?.take() ?? []) seen.add(block);
  while (!isOver() && findings.length < maxFindings) {
    const batch = Array.from({ length: BATCH }, () => mutator.mutate(mutator.pick(corpus), mutator.pick(corpus)));
    for (const input of batch) {
      await run(input);
      if (findings.length >= maxFindings || isOver()) break;
    }
    await keepNew(batch);
    // Timers and sockets get their turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (early === undefined && isOver(0.2)) early = usedBytes();
  }
  const grownBytes = early === undefined ? 0 : usedBytes() - early;
  if (grownBytes > (options.maxGrowthBytes ?? MAX_GROWTH_BYTES)) {
    findings.push({ what: `memory grew by ${grownBytes} bytes over ${inputs} inputs`, input: Buffer.alloc(0) });
  }
  counter?.close();
  await target.close?.();
  return { target: target.name, inputs, corpus: corpus.length, blocks: seen.size, grownBytes, findings };
}

function readCorpus(folder: string): Buffer[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((file) => readFileSync(join(folder, file)));
}

export function writeInput(folder: string, input: Buffer): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 16));
  writeFileSync(file, input);
  return file;
}
