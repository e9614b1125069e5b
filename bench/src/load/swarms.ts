/** The client processes of a measurement, spoken to as one. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Histogram } from './histogram.js';
import type { SwarmCommand, SwarmPlan, SwarmReport, SwarmStats } from './plan.js';

export interface Swarms {
  readonly pids: readonly number[];
  /** Events that all clients have received so far; as new as the last few milliseconds, or some thousand events. */
  readonly events: number;
  /** Opens every connection; resolves to the seconds until all were ready. */
  connect(): Promise<number>;
  drop(): Promise<void>;
  /** From here on so many connect every second, and as many are cut off; `alive` are connected at any time. */
  churn(perSecond: number, alive: number): void;
  /** Latencies count from here. */
  reset(): void;
  stats(): Promise<{ readonly events: number; readonly bytes: number; readonly latencies: Histogram }>;
  /** Resolves when so many events have come in; rejects after `timeoutMs`. */
  received(events: number, timeoutMs: number): Promise<void>;
  /** Rejects when a client fails. Never resolves. */
  readonly failed: Promise<never>;
  end(): Promise<void>;
}

export type Load = Omit<SwarmPlan, 'first'>;

/** Half of the 20,000 files that a process may have open on many machines. Two where one would do take a quarter more CPU. */
const MAX_EACH = 10_000;
/** Ten times what the slowest contender takes. */
const CONNECT_MS = 40_000;

interface Member {
  readonly child: ChildProcess;
  events: number;
}

/** @param load of all together; split evenly */
export async function startSwarms(load: Load): Promise<Swarms> {
  const each = Math.ceil(load.connections / Math.ceil(load.connections / MAX_EACH));
  const members: Member[] = [];
  const watchers = new Set<(member: Member, report: SwarmReport) => void>();
  let fail = (_: Error): void => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  let ending = false;

  for (let first = 0; first < load.connections; first += each) {
    const child = fork(fileURLToPath(new URL('./swarm.js', import.meta.url)));
    const member: Member = { child, events: 0 };
    members.push(member);
    child.on('message', (report: SwarmReport) => {
      if (report.kind === 'progress') member.events = report.events;
      if (report.kind === 'failed') fail(new Error(report.reason));
      for (const watcher of [...watchers]) watcher(member, report);
    });
    child.once('exit', (code, signal) => {
      if (!ending) fail(new Error(`a client process ended with ${signal ?? code}`));
    });
  }

  const tellAll = (command: SwarmCommand): void => {
    for (const { child } of members) child.send(command);
  };

  /** Resolves once every member has made a report of this kind. */
  function all<K extends SwarmReport['kind']>(kind: K): Promise<Extract<SwarmReport, { kind: K }>[]> {
    const missing = new Set(members);
    const reports: Extract<SwarmReport, { kind: K }>[] = [];
    const answered = new Promise<typeof reports>((resolve) => {
      const watcher = (member: Member, report: SwarmReport): void => {
        if (report.kind !== kind || !missing.delete(member)) return;
        reports.push(report as Extract<SwarmReport, { kind: K }>);
        if (missing.size > 0) return;
        watchers.delete(watcher);
        resolve(reports);
      };
      watchers.add(watcher);
    });
    return Promise.race([answered, failed]);
  }

  const prepared = all('prepared');
  for (const [n, { child }] of members.entries()) {
    const first = n * each;
    const plan: SwarmPlan = {
      ...load,
      first,
      connections: Math.min(each, load.connections - first),
      atOnce: Math.ceil(load.atOnce / members.length),
    };
    child.send({ kind: 'prepare', plan } satisfies SwarmCommand);
  }
  await prepared;

  const sum = (): number => members.reduce((total, { events }) => total + events, 0);

  return {
    pids: members.map(({ child }) => child.pid ?? 0),
    get events() {
      return sum();
    },
    async connect() {
      const ready = all('ready');
      const started = performance.now();
      tellAll({ kind: 'connect' });
      await within(ready, CONNECT_MS, 'not all clients became ready');
      return (performance.now() - started) / 1000;
    },
    async drop() {
      const dropped = all('dropped');
      tellAll({ kind: 'drop' });
      await dropped;
    },
    churn: (perSecond, alive) =>
      tellAll({ kind: 'churn', perSecond: perSecond / members.length, alive: Math.round(alive / members.length) }),
    reset: () => tellAll({ kind: 'reset' }),
    async stats() {
      const answers = all('stats');
      tellAll({ kind: 'stats' });
      const latencies = new Histogram();
      const totals = { events: 0, bytes: 0 };
      for (const { stats } of await answers) addStats(totals, latencies, stats);
      return { ...totals, latencies };
    },
    async received(events, timeoutMs) {
      if (sum() >= events) return;
      const { promise, resolve } = withResolve();
      const watcher = (): void => {
        if (sum() >= events) resolve();
      };
      watchers.add(watcher);
      try {
        await within(Promise.race([promise, failed]), timeoutMs, `not all of ${events} events came`);
      } finally {
        watchers.delete(watcher);
      }
    },
    failed,
    async end() {
      ending = true;
      await Promise.all(
        members.map(({ child }) => {
          const exited = new Promise((resolve) => child.once('exit', resolve));
          child.kill('SIGKILL');
          return exited;
        }),
      );
    },
  };
}

function addStats(totals: { events: number; bytes: number }, latencies: Histogram, stats: SwarmStats): void {
  totals.events += stats.events;
  totals.bytes += stats.bytes;
  latencies.add(stats.latencies);
}

async function within<T>(work: Promise<T>, ms: number, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${complaint} in ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function withResolve(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
