// @ts-check
/**
 * The Chromium that tests of pages run in: the system's own. A browser is nothing to put on somebody's computer
 * unasked: it is installed where CI is set, and elsewhere the tests that need it are skipped, with a sentence.
 */
import { run } from './processes.mjs';
import { Interrupted, say } from './steps.mjs';
import { CHROMIUM, installCommand, installProgram } from './system-package.mjs';

/** The names that testkit's browser is looked for under. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

async function isThere() {
  for (const name of NAMES) if ((await run(name, ['--version'])).code === 0) return true;
  return false;
}

/** @param {{ signal?: AbortSignal, install: boolean }} options `install`: may install it */
export async function lookForChromium({ signal, install }) {
  if (await isThere()) return;
  let failure = '';
  if (install) {
    say("  There is none: asking the system's package manager for it.");
    failure = (await installProgram(CHROMIUM, signal)) ?? '';
    if (signal?.aborted) throw new Interrupted();
    if (await isThere()) return;
  }
  const how = await installCommand(CHROMIUM);
  say(`  No Chromium: tests of pages are skipped.${how ? ` Install it with \`${how}\`.` : ''}`);
  if (failure) say(`  It could not be installed for you: ${failure}`);
}
