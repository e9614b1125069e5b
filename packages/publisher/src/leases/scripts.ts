/** The Lua scripts of shares, each in a file of its own, as typed commands of a connection. */
import { readFileSync } from 'node:fs';

// The sources are read from src also when this module runs from dist: tsc does not copy them.
const source = (name: string): string =>
  readFileSync(new URL(`../../src/leases/lua/${name}.lua`, import.meta.url), 'utf8');

export interface LeaseCommands {
  belfryHeartbeat(key: string, name: string, silentMs: number): Promise<number>;
  belfryLeaseTake(key: string, name: string, ms: number): Promise<number>;
  belfryLeaseRelease(key: string, name: string): Promise<number>;
}

interface CanDefine {
  defineCommand(name: string, definition: { lua: string; numberOfKeys: number }): void;
}

/** Gives `connection` the commands. */
export function withLeaseScripts<C extends CanDefine>(connection: C): C & LeaseCommands {
  const define = (name: string, file: string): void =>
    connection.defineCommand(name, { lua: source(file), numberOfKeys: 1 });
  define('belfryHeartbeat', 'heartbeat');
  define('belfryLeaseTake', 'lease-take');
  define('belfryLeaseRelease', 'lease-release');
  return connection as C & LeaseCommands;
}
