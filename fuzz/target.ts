/**
 * What is fuzzed: a part of the product that reads what others wrote. Whatever it is given it must not throw, hang or
 * grow; what else must hold for every input is said in its `run`.
 */
export interface Target {
  readonly name: string;
  /** Inputs to begin with, beside those kept in `corpus/<name>`: right ones and nearly right ones. */
  readonly seeds: readonly string[];
  /** Pieces of the format, for the mutator to put in. */
  readonly words: readonly string[];
  /** Fails by throwing. */
  readonly run: (input: Buffer) => void | Promise<void>;
  /** Whether what it covers can be seen from here; false for what runs in a process of its own. Default: true. */
  readonly inProcess?: boolean;
  readonly close?: () => Promise<void>;
}

/** For what must hold in a `run`. */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
