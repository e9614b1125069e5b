/** The command lines of benches and long tests: what is wrong with one is said in a sentence, with exit code 2. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** As with most commands: 2 says that it was called wrongly. */
const WRONG_CALL = 2;

export function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(WRONG_CALL);
}

/** The option's number. */
export function wholeAboveZero(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) refuse(`--${name} must be a whole number above 0, not ${text}.`);
  return number;
}

/** As `parseArgs`, and `--help` prints `usage`. */
export function readCommandLine<Config extends ParseArgsConfig>(
  config: Config,
  usage: string,
): ReturnType<typeof parseArgs<Config>> {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    return parseArgs<Config>(config);
  } catch (error) {
    // What follows is about arguments that begin with a dash: we have none.
    refuse(`${(error as Error).message.split(/\.(?:\s|$)/)[0]}.\n\n${usage}`);
  }
}
