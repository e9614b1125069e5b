// @ts-check
/**
 * `npm run vulnerabilities`: asks npm's registry for known weaknesses of what is installed for production. Where the registry
 * does not answer, nothing was checked: it says so and does not fail, because a build must not depend on that.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ROOT } from './setup.mjs';

/** These fail. */
const GRAVE = ['high', 'critical'];

/**
 * What an answer of `npm audit --json` means.
 * @param {string} text
 * @returns {{ checked: boolean, failed: boolean, lines: string[] }}
 */
export function judge(text) {
  /** @type {{ vulnerabilities?: Record<string, { severity: string, range: string }>, metadata?: object } | undefined} */
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  if (!answer?.vulnerabilities || !answer.metadata) {
    return { checked: false, failed: false, lines: ['NOT CHECKED: the registry does not answer npm audit'] };
  }
  const found = Object.entries(answer.vulnerabilities);
  return {
    checked: true,
    failed: found.some(([, { severity }]) => GRAVE.includes(severity)),
    lines:
      found.length === 0
        ? ['no known weaknesses']
        : found.map(([name, { range, severity }]) => `${severity}: ${name} ${range}`),
  };
}

function main() {
  execFile(
    'npm',
    ['audit', '--json', '--omit', 'dev'],
    { cwd: ROOT, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 },
    (_, stdout) => {
      const { failed, lines } = judge(stdout);
      for (const line of lines) console.log(line);
      process.exitCode = failed ? 1 : 0;
    },
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
