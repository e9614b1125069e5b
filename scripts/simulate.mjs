// @ts-check
/**
 * `npm run simulate -- --seeds 100000 --seed 7`: the gateway's deterministic simulation, as long as wanted. A failing
 * seed is printed with the command that runs it again.
 */
import { parseArgs } from 'node:util';
import { spawnOwned } from './processes.mjs';
import { binary, ROOT } from './setup.mjs';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});
for (const name of /** @type {const} */ (['seeds', 'seed'])) {
  if (/^\d+$/.test(values[name])) continue;
  console.error(`--${name} must be a whole number, not ${values[name]}`);
  process.exit(2);
}
const child = spawnOwned(binary('vitest'), ['run', 'packages/gateway/src/simulation'], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, SEEDS: values.seeds, SEED: values.seed, TRACE: values.trace ? '1' : '0' },
});
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
