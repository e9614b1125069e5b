// @ts-check
/**
 * `npm run vulnerabilities`: compares what is installed with the weaknesses that are kept in `known-weaknesses.mjs`, and asks
 * npm's registry for all it knows of what runs in production. Where the registry does not answer, only the first was done: it
 * says so and does not fail for that, because a build must not depend on it. `npm test` does the first.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AS_OF, KNOWN, weakIn } from './known-weaknesses.mjs';
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
    return {
      checked: false,
      failed: false,
      lines: ['NOT CHECKED for anything newer: the registry does not answer npm audit'],
    };
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
      const weak = weakIn(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages);
      console.log(`of ${KNOWN.length} weaknesses known here on ${AS_OF}: ${weak.length === 0 ? 'none installed' : ''}`);
      const { failed, lines } = judge(stdout);
      for (const line of [...weak, ...lines]) console.log(line);
      process.exitCode = failed || weak.length > 0 ? 1 : 0;
    },
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
