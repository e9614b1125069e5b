// @ts-check
/**
 * `npm test`: every check there is, from a fresh clone. Its last line is always `N passed, N failed`, and its exit code
 * is 0 only where something was tested and nothing failed. Arguments go to vitest: `npm test -- packages/client`.
 */
import { join } from 'node:path';
import { lookForChromium } from './chromium.mjs';
import { ownFolder, spawnOwned, stopProcess } from './processes.mjs';
import { resolveRedisServer } from './redis.mjs';
import { binary, build, checkNode, installPackages, ROOT, runOrExplain } from './setup.mjs';
import { Interrupted, report, step } from './steps.mjs';
import { watchStopRequests } from './stop-request.mjs';
import { closingLine, countTests, readReport } from './test-report.mjs';

/**
 * @param {AbortSignal} signal
 * @param {string} reportFile
 * @returns {Promise<number>} vitest's exit code
 */
async function runVitest(signal, reportFile) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const child = spawnOwned(binary('vitest'), ['run', ...reporters, ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  signal.addEventListener('abort', () => void stopProcess(child));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (signal.aborted) throw new Interrupted();
  return code ?? 1;
}

/** @returns {Promise<import('./test-report.mjs').Counts>} */
async function main() {
  const { signal } = watchStopRequests(() => process.exit(130));
  const folder = ownFolder('report');
  try {
    checkNode();
    console.log('Setting up the tests');
    await installPackages(signal);
    await step('Checking style', () => runOrExplain(binary('biome'), ['check', '.'], { signal }));
    await build(signal);
    await step("Checking the tests' types", () =>
      runOrExplain(binary('tsc'), ['-p', 'tsconfig.tests.json'], { signal }),
    );
    // Tests stop, freeze and empty their Redis: it is always one of their own, whatever REDIS_URL says.
    await step('Looking for redis-server', () => resolveRedisServer({ signal }));
    await step('Looking for Chromium', () => lookForChromium({ signal, install: Boolean(process.env.CI) }));
    const file = join(folder.path, 'report.json');
    const exitCode = await runVitest(signal, file);
    return countTests(readReport(file), exitCode);
  } catch (error) {
    report(error);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    await folder.remove();
  }
}

const counts = await main();
process.exitCode = counts.failed === 0 ? 0 : 1;
console.log(`\n${closingLine(counts)}`);
