/** The Lua script of what users may read, as a typed command of a connection. */
import { readFileSync } from 'node:fs';
import type { Connection } from '../log/index.js';

// The source is read from src also when this module runs from dist: tsc does not copy it.
const NOTE = readFileSync(new URL('../../src/preferences/lua/note.lua', import.meta.url), 'utf8');

export interface AccessCommands {
  belfryNoteAccess(access: string, marks: string, ...args: (string | number)[]): Promise<string | null>;
}

export function withAccessScripts(connection: Connection): Connection & AccessCommands {
  connection.defineCommand('belfryNoteAccess', { lua: NOTE, numberOfKeys: 2 });
  return connection as Connection & AccessCommands;
}
