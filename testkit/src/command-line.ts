/**
 * The command lines of benches and long tests: what is wrong with one is said in a sentence, with exit code 2. Done as for
 * the scripts, which answer before anything is built; here it has types, which plain JavaScript passes on to nobody.
 */
import type { ParseArgsConfig, parseArgs } from 'node:util';
import * as scripts from '../../scripts/command-line.mjs';

export const refuse: (why: string) => never = scripts.refuse;

/** The option's number. */
export const wholeAboveZero: (name: string, text: string) => number = scripts.wholeAboveZero;

/** As `parseArgs`, and `--help` prints `usage`. */
export const readCommandLine: <Config extends ParseArgsConfig>(
  config: Config,
  usage: string,
) => ReturnType<typeof parseArgs<Config>> = scripts.readCommandLine;
