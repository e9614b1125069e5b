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

/**
 * @template T
 * @param {string} label
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(label, work) {
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  process.stdout.write(`  ${label} … `);
  try {
    const result = await work();
    process.stdout.write(`${seconds()}\n`);
    return result;
  } catch (error) {
    process.stdout.write(`failed after ${seconds()}\n`);
    throw error;
  }
}

/**
 * Ends the process with what went wrong.
 * @param {unknown} error
 * @returns {void}
 */
export function report(error) {
  const known = error instanceof SetupError;
  console.error(known ? `\n${error.message}` : error);
}
