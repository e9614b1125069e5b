/** What a measurement ran on and with: figures without it say nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';

const PACKAGES = [
  'uWebSockets.js',
  'ioredis',
  'ws',
  'socket.io',
  '@socket.io/redis-adapter',
  '@socket.io/redis-streams-adapter',
];

export interface MachineDescription {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(): MachineDescription {
  const redis = /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1];
  const versions: Record<string, string> = { 'Node.js': process.versions.node, Redis: redis ?? 'unknown' };
  for (const name of PACKAGES) versions[name] = versionOf(name);
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    // Without what whoever built it calls it.
    kernel: release().replace(/-.*/, ''),
    versions,
  };
}

/** Some packages do not export their package.json: it is read from where they are found. */
function versionOf(name: string): string {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const path of paths) {
    try {
      return (JSON.parse(readFileSync(`${path}/${name}/package.json`, 'utf8')) as { version: string }).version;
    } catch {
      // Not in this folder: the next.
    }
  }
  return 'unknown';
}
