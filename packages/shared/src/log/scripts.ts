/** The Lua scripts, each in a file of its own, as typed commands of a connection. */
import { readFileSync } from 'node:fs';

// The sources are read from src also when this module runs from dist: tsc does not copy them.
const source = (name: string): string =>
  readFileSync(new URL(`../../src/log/lua/${name}.lua`, import.meta.url), 'utf8');

const HEAD = '#!lua\n';
/** For scripts that may begin a log. */
const withMark = (name: string): string => source(name).replace(HEAD, () => `${HEAD}${source('mark')}`);
/** The same where Redis takes no writes, and so no script that might write: a log that is missing is an error then. */
const withoutMark = (name: string): string =>
  source(name).replace(HEAD, () => `#!lua flags=no-writes\n${source('no-mark')}`);

export type Reply = string | number | null | Reply[];

/** Commands with a computed number of keys; the number of keys is the first argument. */
export interface ScriptCommands {
  belfryAppend(count: number, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply>;
  belfryRead(keys: number, ...args: (string | number)[]): Promise<Reply>;
  belfryOpen(count: number, keys: readonly string[], markTtlSeconds: number): Promise<Reply>;
  belfryReadOnly(keys: number, ...args: (string | number)[]): Promise<Reply>;
  belfryOpenOnly(count: number, keys: readonly string[], markTtlSeconds: number): Promise<Reply>;
  belfryEnds(count: number, keys: readonly string[]): Promise<Reply>;
  belfryFacts(keys: number, ...args: (string | number)[]): Promise<Reply>;
}

interface CanDefine {
  defineCommand(name: string, definition: { lua: string }): void;
}

/** Gives `connection` the commands; ioredis sends them by hash and by text where Redis does not know the hash yet. */
export function withScripts<C extends CanDefine>(connection: C): C & ScriptCommands {
  connection.defineCommand('belfryAppend', { lua: source('append') });
  connection.defineCommand('belfryRead', { lua: withMark('read') });
  connection.defineCommand('belfryOpen', { lua: withMark('open') });
  connection.defineCommand('belfryReadOnly', { lua: withoutMark('read') });
  connection.defineCommand('belfryOpenOnly', { lua: withoutMark('open') });
  connection.defineCommand('belfryEnds', { lua: source('ends') });
  connection.defineCommand('belfryFacts', { lua: source('facts') });
  return connection as C & ScriptCommands;
}
