/** One measurement: a server that idles, its memory, a swarm of clients until all are ready, its memory again. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TestProcess } from '@belfry/testkit';
import type { SwarmPlan, SwarmReport } from './plan.js';

export interface Load {
  readonly connections: number;
  readonly channels: number;
  readonly properties: number;
  readonly users: 'distinct' | 'same';
  readonly secret: string;
}

export interface Measurement {
  readonly secondsUntilReady: number;
  readonly idleBytes: number;
  readonly readyBytes: number;
  /** Some seconds later, when the garbage of the rush is gone. */
  readonly restBytes: number;
}

/** One process may hold 20,000 sockets on many machines, and one alone would be slower than the server. */
const SWARMS = 2;
/** Memory of a process that has just started, or just been rushed at, still moves. */
const SETTLE_MS = 2_000;
const REST_MS = 10_000;

export async function measure(server: TestProcess, load: Load): Promise<Measurement> {
  await sleep(SETTLE_MS);
  const idleBytes = residentBytes(server.pid);
  const started = performance.now();
  const swarms = split(load.connections, SWARMS).map(({ first, connections }) =>
    startSwarm({ ...load, port: server.port, first, connections }),
  );
  try {
    await Promise.all(swarms.map((swarm) => swarm.ready));
    const secondsUntilReady = (performance.now() - started) / 1000;
    const readyBytes = residentBytes(server.pid);
    await Promise.race([sleep(REST_MS), ...swarms.map((swarm) => swarm.failed)]);
    return { secondsUntilReady, idleBytes, readyBytes, restBytes: residentBytes(server.pid) };
  } finally {
    for (const swarm of swarms) swarm.end();
  }
}

function startSwarm(plan: SwarmPlan) {
  const child: ChildProcess = fork(fileURLToPath(new URL('./swarm.js', import.meta.url)));
  child.send(plan);
  const failed = new Promise<never>((_, reject) => {
    child.on('message', (report: SwarmReport) => {
      if (report.kind === 'failed') reject(new Error(report.reason));
    });
    child.once('exit', (code, signal) => reject(new Error(`a client process ended with ${signal ?? code}`)));
  });
  failed.catch(() => undefined);
  const allReady = new Promise<void>((resolve) => {
    child.on('message', (report: SwarmReport) => {
      if (report.kind === 'ready') resolve();
    });
  });
  return { ready: Promise.race([allReady, failed]), failed, end: () => void child.kill('SIGKILL') };
}

function split(total: number, parts: number): { first: number; connections: number }[] {
  const each = Math.ceil(total / parts);
  return Array.from({ length: parts }, (_, n) => ({
    first: n * each,
    connections: Math.max(0, Math.min(each, total - n * each)),
  })).filter(({ connections }) => connections > 0);
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`);
  return Number(kilobytes) * 1024;
}
