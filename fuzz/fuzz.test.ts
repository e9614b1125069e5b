/**
 * No input throws, hangs, or grows memory. A moment for each target in every run of the tests; as long as wanted with
 * `npm run fuzz -- --minutes 60`. A finding is written down, and stays in the corpus once it is mended.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CampaignOptions, type CampaignResult, runCampaign, writeInput } from './campaign.js';
import { targets } from './targets/index.js';

const FOLDER = import.meta.dirname;
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const ONLY = process.env.FUZZ_TARGETS?.split(',');
const all = await targets();
const unknown = ONLY?.find((name) => !all.some((target) => target.name === name));
if (unknown !== undefined) throw new Error(`no target ${unknown}; there are ${all.map(({ name }) => name).join(', ')}`);
const chosen = all.filter(({ name }) => !ONLY || ONLY.includes(name));
const milliseconds = MINUTES > 0 ? (MINUTES * 60_000) / chosen.length : 700;
const results: CampaignResult[] = [];

describe('no input throws, hangs, or grows memory', () => {
  it.each(chosen.map((target) => [target.name, target] as const))(
    '%s',
    { timeout: milliseconds + 300_000 },
    async (_, target) => {
      const result = await runCampaign(target, {
        milliseconds,
        seed: SEED,
        corpusFolder: join(FOLDER, 'corpus'),
        keep: MINUTES > 0,
        leastInputs: target.inProcess === false ? 6 : 101,
      });
      results.push(result);
      if (MINUTES > 0) console.log(line(result));
      for (const { input, what } of result.findings) {
        const file = writeInput(join(FOLDER, 'findings', target.name), input);
        console.log(`${file}\n${JSON.stringify(input.toString('utf8').slice(0, 500))}\n${what}`);
      }
      expect(result.findings.map(({ what }) => what)).toEqual([]);
    },
  );
});

it('would be seen if one threw, took long, or kept what it was given', { timeout: 300_000 }, async () => {
  const kept: Buffer[] = [];
  const run = (name: string, act: (input: Buffer) => void, options: Partial<CampaignOptions>) =>
    runCampaign(
      { name, seeds: ['ab', 'abc'], words: ['x'], run: act },
      { milliseconds: 0, seed: 1, corpusFolder: '/nonexistent', keep: false, maxFindings: 1, ...options },
    );
  const throws = await run(
    'throws',
    (input) => {
      if (input.includes('x')) throw new Error('x');
    },
    { leastInputs: 10_000 },
  );
  const spins = await run(
    'spins',
    (input) => {
      const before = process.cpuUsage();
      while (input.length > 1_000 && process.cpuUsage(before).user < 400_000);
    },
    { leastInputs: 1_000_000 },
  );
  const hoards = await run('hoards', () => void kept.push(Buffer.alloc(16_384, 1)), {
    leastInputs: 2_000,
    maxGrowthBytes: 500_000,
  });
  expect([throws, spins, hoards].map(({ findings }) => findings.length > 0)).toEqual([true, true, true]);
  kept.length = 0;
});

afterAll(() => {
  if (MINUTES === 0) return;
  const inputs = results.reduce((sum, result) => sum + result.inputs, 0);
  console.log(`${inputs} inputs in ${MINUTES} minutes, seed ${SEED}`);
});

const line = ({ blocks, corpus, findings, grownBytes, inputs, target }: CampaignResult): string =>
  `${target}: ${inputs} inputs, corpus ${corpus}, ${blocks} blocks, ${(grownBytes / 1e6).toFixed(1)} MB grown, ${findings.length} findings`;
