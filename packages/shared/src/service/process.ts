/** Starts a process: settings from the environment, or one line that says which variable is wrong and exit code 78. */
import { ConfigurationError } from './settings.js';

/** EX_CONFIG of sysexits.h. */
export const CONFIGURATION_EXIT_CODE = 78;

/** Runs a composition root. What it throws ends the process with one line on stderr. */
export function runProcess(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    const known = error instanceof ConfigurationError;
    process.stderr.write(`${known ? error.message : ((error as Error).stack ?? String(error))}\n`);
    process.exit(known ? CONFIGURATION_EXIT_CODE : 1);
  });
}
