/** The intake's Lua scripts, each in a file of its own, as typed commands of a connection. */
import { readFileSync } from 'node:fs';

// The sources are read from src also when this module runs from dist: tsc does not copy them.
const source = (name: string): string =>
  readFileSync(new URL(`../../src/intake/lua/${name}.lua`, import.meta.url), 'utf8');

/** An entry of a stream as Redis returns it; without fields where it was deleted in the same moment. */
export type StreamRow = [id: string, fields: string[] | null];

export interface IntakeCommands {
  belfryIntakeAdd(
    key: string,
    floor: string,
    marginMs: number,
    entries: readonly string[],
  ): Promise<[raised: string | null, ids: string[]]>;
  belfryCheckpointOpen(
    key: string,
    generations: string,
    rewindMs: number,
  ): Promise<[position: string, rewound: number]>;
  belfryCheckpointAdvance(key: string, generations: string, position: string): Promise<number>;
  belfryIntakeRead(key: string, after: string, maxEntries: number, maxBytes: number): Promise<StreamRow[]>;
  belfryIntakeGeneration(key: string): Promise<string>;
}

interface CanDefine {
  defineCommand(name: string, definition: { lua: string; numberOfKeys: number }): void;
}

/** Gives `connection` the commands. */
export function withIntakeScripts<C extends CanDefine>(connection: C): C & IntakeCommands {
  const define = (name: string, file: string): void =>
    connection.defineCommand(name, { lua: source(file), numberOfKeys: 1 });
  define('belfryIntakeAdd', 'add');
  define('belfryCheckpointOpen', 'checkpoint-open');
  define('belfryCheckpointAdvance', 'checkpoint-advance');
  define('belfryIntakeRead', 'read');
  define('belfryIntakeGeneration', 'generation');
  return connection as C & IntakeCommands;
}
