/** The Lua scripts of presence, each in a file of its own, as typed commands of a connection. */
import { readFileSync } from 'node:fs';
import type { Connection } from '../log/index.js';

// The sources are read from src also when this module runs from dist: tsc does not copy them.
const source = (name: string): string =>
  readFileSync(new URL(`../../src/presence/lua/${name}.lua`, import.meta.url), 'utf8');

export interface PresenceCommands {
  /** Lists among the arguments are sent as what is in them. */
  presenceFlush(...args: (string | number | readonly string[])[]): Promise<number>;
  presenceSweep(...args: (string | number)[]): Promise<number>;
  presenceLook(...args: (string | number)[]): Promise<[node: string, ...values: (string | null)[]][]>;
}

export function withPresenceScripts(connection: Connection): Connection & PresenceCommands {
  connection.defineCommand('presenceFlush', { lua: source('flush'), numberOfKeys: 6 });
  connection.defineCommand('presenceSweep', { lua: source('sweep'), numberOfKeys: 4 });
  connection.defineCommand('presenceLook', { lua: source('look'), numberOfKeys: 1 });
  return connection as Connection & PresenceCommands;
}
