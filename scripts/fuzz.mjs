// @ts-check
/**
 * `npm run fuzz -- --minutes 60 --seed 7 --targets client-frames,sessions`: fuzzes as long as wanted, the minutes shared
 * out evenly among the targets. Ends a run that hangs: an input that never returns cannot be ended from within.
 */
import { aboveZero, readCommandLine, refuse } from './command-line.mjs';
import { spawnOwned, stopProcess } from './processes.mjs';
import { binary, ROOT, setUp } from './setup.mjs';
import { explained } from './steps.mjs';

const GRACE_MS = 300_000;

const { values } = readCommandLine(
  {
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      targets: { type: 'string' },
    },
  },
  `npm run fuzz -- [--minutes 5] [--seed 7] [--targets client-frames,sessions]

  --minutes   shared out evenly among the targets
  --seed      what inputs are made from; default: another one each time
  --targets   some; default: all`,
);
const minutes = aboveZero('minutes', values.minutes);
if (!/^\d+$/.test(values.seed)) refuse(`--seed must be a whole number, not ${values.seed}.`);
await explained(setUp());
console.log(`seed ${values.seed}`);
const child = spawnOwned(binary('vitest'), ['run', 'fuzz'], {
  cwd: ROOT,
  stdio: 'inherit',
  env: {
    ...process.env,
    FUZZ_MINUTES: values.minutes,
    FUZZ_SEED: values.seed,
    ...(values.targets ? { FUZZ_TARGETS: values.targets } : {}),
  },
});
const hung = setTimeout(
  () => {
    console.error('the target named last hangs: its inputs are made again from the seed');
    stopProcess(child).then(() => process.exit(1));
  },
  minutes * 60_000 + GRACE_MS,
);
child.once('exit', (code) => {
  clearTimeout(hung);
  process.exitCode = code ?? 1;
});
