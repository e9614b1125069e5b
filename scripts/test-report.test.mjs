/** The closing line is what CI goes by: it must never call a run green that was not. */
import { describe, expect, it } from 'vitest';
import { closingLine, countTests } from './test-report.mjs';

const file = (status, ...tests) => ({ status, assertionResults: tests.map((test) => ({ status: test })) });

describe('the closing line', () => {
  it('counts passed, failed and skipped tests over all files', () => {
    const report = { testResults: [file('passed', 'passed', 'skipped'), file('failed', 'passed', 'failed', 'todo')] };
    expect(closingLine(countTests(report, 1))).toBe('2 passed, 1 failed, 2 skipped');
  });

  it('leaves out "skipped" where nothing was', () => {
    expect(closingLine(countTests({ testResults: [file('passed', 'passed')] }, 0))).toBe('1 passed, 0 failed');
  });

  it.each([
    ['a file that could not be loaded', { testResults: [file('passed', 'passed'), file('failed')] }, 1],
    ['an unhandled error outside of every test', { testResults: [file('passed', 'passed')] }, 1],
    ['a run without a test', { testResults: [] }, 0],
    ['a run in which every test was skipped', { testResults: [file('passed', 'skipped')] }, 0],
    ['a run that left no report', undefined, 1],
  ])('counts %s as one failure', (_, report, exitCode) => {
    expect(countTests(report, exitCode).failed).toBe(1);
  });
});
