// @ts-check
/**
 * `npm run simulate -- --seeds 100000 --seed 7`: the gateway's deterministic simulation, as long as wanted. A failing
 * seed is printed with the command that runs it again.
 */
import { readCommandLine, wholeAboveZero } from './command-line.mjs';
import { spawnOwned } from './processes.mjs';
import { binary, ROOT, setUp } from './setup.mjs';
import { explained } from './steps.mjs';

const { values } = readCommandLine(
  {
    options: {
      seeds: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      trace: { type: 'boolean', default: false },
    },
  },
  `npm run simulate -- [--seeds 1000] [--seed 1] [--trace]

  --seeds   how many worlds are run
  --seed    the first one's seed
  --trace   prints all that happens`,
);
for (const name of /** @type {const} */ (['seeds', 'seed'])) wholeAboveZero(name, values[name]);
await explained(setUp());
const child = spawnOwned(binary('vitest'), ['run', 'packages/gateway/src/simulation'], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, SEEDS: values.seeds, SEED: values.seed, TRACE: values.trace ? '1' : '0' },
});
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
