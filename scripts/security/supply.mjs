// @ts-check
/** What is installed. */
import { ASVS, row } from './row.mjs';

/** @type {readonly import('./row.mjs').Control[]} */
export const SUPPLY = [
  row(
    'integrity',
    'Dependencies: exact versions with their hashes, the addon’s among them',
    'e2e/supply-chain.test.ts',
    'the addon',
    'package-lock.json',
    'sha512-EziGwZOMH8Y09erf/DHBgaGoTgt+XgqLFoyQfRiDrWHDCZ+jZ5aEBW7fSIcD5LzxDimHK2NxJpmlwSIfJiAZkg==',
    'sha512-AAAA',
    `${ASVS} 15.1`,
  ),
  row(
    'known-weaknesses',
    'Nothing is installed of which a weakness was known',
    'e2e/supply-chain.test.ts',
    'known to be weak',
    'scripts/known-weaknesses.mjs',
    '(own[at] ?? 0) < (other[at] ?? 0)',
    '(own[at] ?? 0) < 0',
    'issue: supply chain',
  ),
];
