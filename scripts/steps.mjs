// @ts-check
/** Progress of a set-up: one line per step, with its seconds; what a step's command said is shown only if it failed. */

/** An error whose message is all that a person needs to read: no stack. */
export class SetupError extends Error {}

/** Somebody asked us to stop in the middle of the set-up. */
export class Interrupted extends SetupError {
  constructor() {
    super('Interrupted.');
  }
}

/** The step whose line is begun and not ended, so that what is said in between goes below it. */
let open = false;

/**
 * Prints a line of its own, also in the middle of a step.
 * @param {string} text
 */
export function say(text) {
  console.log(open ? `\n${text}` : text);
  open = false;
}

/**
 * @template T
 * @param {string} label
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(label, work) {
  const began = performance.now();
  process.stdout.write(`  ${label} … `);
  open = true;
  const end = (/** @type {string} */ how) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    process.stdout.write(`${open ? '' : `  ${label}: `}${how}${seconds} s\n`);
    open = false;
  };
  try {
    const result = await work();
    end('');
    return result;
  } catch (error) {
    end('failed after ');
    throw error;
  }
}

/**
 * Says what went wrong.
 * @param {unknown} error
 */
export function report(error) {
  const known = error instanceof SetupError;
  console.error(known ? `\n${error.message}` : error);
}

/**
 * For a command that cannot go on without: what went wrong is said, and the process ends.
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function explained(work) {
  try {
    return await work;
  } catch (error) {
    report(error);
    process.exit(1);
  }
}
