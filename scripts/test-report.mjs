// @ts-check
/** Reads vitest's JSON report and says in one line how the tests went. */
import { readFileSync } from 'node:fs';

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 *
 * @typedef {object} Report the part of vitest's report that is read here
 * @property {readonly { status: string, assertionResults: readonly { status: string }[] }[]} testResults
 */

/**
 * @param {string} file
 * @returns {Report | undefined} undefined where vitest ended without writing one
 */
export function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`vitest left no report: ${/** @type {Error} */ (error).message}`);
    return undefined;
  }
}

/**
 * Counts so that `failed` is 0 only for a run in which something passed and nothing went wrong: a file that could not
 * be loaded has no tests to fail, an unhandled error belongs to none, and a run without tests shows nothing.
 *
 * @param {Report | undefined} report
 * @param {number} exitCode vitest's
 * @returns {Counts}
 */
export function countTests(report, exitCode) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of report?.testResults ?? []) {
    const failedBefore = counts.failed;
    for (const test of assertionResults) {
      if (test.status === 'passed') counts.passed++;
      else if (test.status === 'failed') counts.failed++;
      else counts.skipped++;
    }
    if (status === 'failed' && counts.failed === failedBefore) counts.failed++;
  }
  if (counts.failed === 0 && (exitCode !== 0 || counts.passed === 0)) counts.failed = 1;
  return counts;
}

/** @param {Counts} counts */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
