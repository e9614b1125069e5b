// @ts-check
/**
 * `npm run security`: the tests of every control, and the table of them. `npm run security -- --twins` takes each control
 * away in a copy of the repository, one after the other, and sees its test fail; what was seen is written to
 * `e2e/hostile/verdicts.json`, from which `npm run docs` makes the table of docs/security.md. `--only id,id` for some.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { oneOf, readCommandLine } from './command-line.mjs';
import { ownFolder } from './processes.mjs';
import { CONTROLS } from './security/index.mjs';
import { ROOT, setUp } from './setup.mjs';
import { explained } from './steps.mjs';

/** @typedef {import('./security/index.mjs').Control} Control */
/** @typedef {{ fingerprint: string, holds: boolean, twinFails: boolean }} Verdict */

const VERDICTS = join(ROOT, 'e2e/hostile/verdicts.json');
const COPIED = [
  'packages',
  'testkit',
  'e2e',
  'scripts',
  'fuzz',
  'deploy/redis',
  'deploy/verify',
  'package.json',
  'package-lock.json',
];
const CONFIGURATION = ['vitest.config.ts', 'tsconfig.base.json', 'README.md', 'SECURITY.md', 'docs'];

/** A verdict is good for the row as it was then. @param {Control} control */
const fingerprintOf = (control) => createHash('sha256').update(JSON.stringify(control)).digest('hex').slice(0, 16);

/** @returns {Readonly<Record<string, Verdict>>} */
export const readVerdicts = () => JSON.parse(readFileSync(VERDICTS, 'utf8'));

/** @param {Readonly<Record<string, Verdict>>} verdicts */
export function verdictOf(/** @type {Control} */ control, verdicts) {
  const verdict = verdicts[control.id];
  if (!verdict || verdict.fingerprint !== fingerprintOf(control)) return 'open';
  if (!verdict.holds) return 'open';
  return verdict.twinFails ? 'holds; fails without it' : 'open';
}

/** A copy in which tests run as they do here; installed packages are linked, our own are the copy's. @param {string} folder */
function copyRepository(folder) {
  for (const path of [...COPIED, ...CONFIGURATION]) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true, verbatimSymlinks: true });
  }
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@belfry'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@belfry') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const name of readdirSync(join(ROOT, 'packages')))
    symlinkSync(join(folder, 'packages', name), join(modules, '@belfry', name));
  for (const name of ['testkit', 'e2e']) symlinkSync(join(folder, name), join(modules, '@belfry', name));
}

/**
 * @param {string} folder
 * @param {Control} control
 * @returns {Promise<'passed' | 'failed'>}
 * @throws Error where no test has such a name
 */
function runTest(folder, { named, test }) {
  const arguments_ = ['run', test, '--reporter=json', ...(named ? ['-t', named.replace(/[/().]/g, '\\$&')] : [])];
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...arguments_],
      { cwd: folder, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout) => {
        try {
          const report = JSON.parse(stdout.slice(stdout.indexOf('{"numTotalTestSuites"')));
          if (report.numPassedTests + report.numFailedTests === 0) throw new Error(`${test} has no test ${named}`);
          resolve(report.numFailedTests === 0 ? 'passed' : 'failed');
        } catch (error) {
          reject(error);
        }
      },
    );
  });
}

/** Takes the control away; returns what brings it back. @param {string} folder @param {Control} control */
function applyTwin(folder, { id, twin: { file, find, put } }) {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`the twin of ${id}: ${file} has ${JSON.stringify(find)} ${times} times, not once`);
  writeFileSync(
    path,
    text.replace(find, () => put),
  );
  return () => writeFileSync(path, text);
}

async function main() {
  const { values } = readCommandLine(
    { options: { twins: { type: 'boolean', default: false }, only: { type: 'string' } } },
    `npm run security -- [--twins] [--only id,id]

  --twins   takes each control away in a copy of the repository, and sees its test fail
  --only    some controls; default: all. Each line that it prints begins with an id`,
  );
  const ids = CONTROLS.map(({ id }) => id);
  const only = values.only?.split(',') ?? ids;
  oneOf('only', only, ids);
  const chosen = CONTROLS.filter(({ id }) => only.includes(id));
  await explained(setUp());
  const folder = ownFolder('security');
  /** @type {Record<string, Verdict>} */
  const verdicts = { ...readVerdicts() };
  let open = 0;
  try {
    if (values.twins) copyRepository(folder.path);
    for (const control of chosen) {
      const said = [];
      try {
        const holds = (await runTest(values.twins ? folder.path : ROOT, control)) === 'passed';
        said.push(holds ? 'holds' : 'DOES NOT HOLD');
        let twinFails = verdicts[control.id]?.twinFails ?? false;
        if (values.twins) {
          const restore = applyTwin(folder.path, control);
          twinFails = (await runTest(folder.path, control)) === 'failed';
          restore();
          said.push(twinFails ? 'fails without it' : 'NOT MISSED');
          verdicts[control.id] = { fingerprint: fingerprintOf(control), holds, twinFails };
          // Another run may have written meanwhile.
          Object.assign(verdicts, { ...readVerdicts(), [control.id]: verdicts[control.id] });
          writeFileSync(VERDICTS, `${JSON.stringify(verdicts, undefined, 2)}\n`);
        }
        if (!holds || (values.twins && !twinFails)) open += 1;
      } catch (error) {
        open += 1;
        said.push(/** @type {Error} */ (error).message);
      }
      console.log(`${control.id.padEnd(20)} ${said.join('; ').padEnd(40)} ${control.test}`);
    }
  } finally {
    await folder.remove();
  }
  console.log(`\n${chosen.length} controls, ${open} open`);
  process.exitCode = open === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
