// @ts-check
/**
 * The command lines of everything that is run by hand: what is wrong with one is said in a sentence, with exit code 2.
 * Plain Node and nothing else, as it answers before anything is installed or built.
 */
import { parseArgs } from 'node:util';

/** As with most commands: 2 says that it was called wrongly. */
const WRONG_CALL = 2;

/**
 * @param {string} why
 * @returns {never}
 */
export function refuse(why) {
  process.stderr.write(`${why}\n`);
  process.exit(WRONG_CALL);
}

/**
 * The option's number.
 * @param {string} name
 * @param {string} text
 */
export function wholeAboveZero(name, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) refuse(`--${name} must be a whole number above 0, not ${text}.`);
  return number;
}

/**
 * The option's number, which need not be whole.
 * @param {string} name
 * @param {string} text
 */
export function aboveZero(name, text) {
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) refuse(`--${name} must be a number above 0, not ${text}.`);
  return number;
}

/**
 * Refuses the first of the names that is none of those known.
 * @param {string} name of the option
 * @param {readonly string[]} given
 * @param {readonly string[]} known
 */
export function oneOf(name, given, known) {
  const unknown = given.find((one) => !known.includes(one));
  if (unknown !== undefined) refuse(`--${name} must be of ${known.join(', ')}, not ${unknown}.`);
}

/**
 * As `parseArgs`, and `--help` prints `usage`.
 * @template {import('node:util').ParseArgsConfig} Config
 * @param {Config} config
 * @param {string} usage
 * @returns {ReturnType<typeof import('node:util').parseArgs<Config>>}
 */
export function readCommandLine(config, usage) {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    process.stdout.write(`${usage.trimEnd()}\n`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    // What follows is about arguments that begin with a dash: we have none.
    return refuse(`${/** @type {Error} */ (error).message.split(/\.(?:\s|$)/)[0]}.\n\n${usage.trimEnd()}`);
  }
}
