/** The run's side of its client processes. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { deferred, within } from '@belfry/testkit';
import type { Recovery, SwarmCommand, SwarmPlan, SwarmReport, SwarmStatus } from './plan.js';

export type SharedPlan = Omit<SwarmPlan, 'first' | 'clients' | 'recordFile'>;

export interface Swarms {
  tell(command: SwarmCommand): void;
  /** Of all clients together, as last reported. */
  status(): SwarmStatus;
  /** How many channels of clients are not at these ends; `examples` of them. */
  behind(ends: Extract<SwarmCommand, { do: 'compare' }>['ends']): Promise<{ count: number; examples: string[] }>;
  /** How long clients needed to come back since this was asked last. */
  recoveries(): Promise<readonly Recovery[]>;
  /** Closes the records; resolves with what was counted. */
  finish(): Promise<ReadonlyMap<string, number>>;
  stop(): void;
}

const FINISH_MS = 30_000;
const ANSWER_MS = 10_000;

/** Starts as many client processes as there are record files. */
export function startSwarms(plan: SharedPlan, clients: number, recordFiles: readonly string[]): Swarms {
  const statuses = new Map<number, SwarmStatus>();
  const listeners = new Set<(report: SwarmReport) => void>();
  const children: ChildProcess[] = [];
  let stopped = false;
  let first = 0;
  for (const [n, recordFile] of recordFiles.entries()) {
    const share = Math.floor((clients * (n + 1)) / recordFiles.length) - first;
    const child = fork(fileURLToPath(new URL('./swarm.js', import.meta.url)), { serialization: 'advanced' });
    child.on('message', (message) => {
      const report = message as SwarmReport;
      if (report.say === 'status') statuses.set(n, report.status);
      for (const listener of listeners) listener(report);
    });
    child.once('exit', (code, signal) => {
      if (!stopped) throw new Error(`a client process ended by itself: ${signal ?? code}`);
    });
    child.send({ do: 'start', plan: { ...plan, first, clients: share, recordFile } } satisfies SwarmCommand);
    children.push(child);
    first += share;
  }

  const tell = (command: SwarmCommand): void => {
    for (const child of children) child.send(command);
  };

  /** One answer of each process. */
  async function ask<S extends SwarmReport['say']>(command: SwarmCommand, answer: S, deadlineMs: number) {
    type Answer = Extract<SwarmReport, { say: S }>;
    const answers: Answer[] = [];
    const all = deferred<Answer[]>();
    const listener = (report: SwarmReport): void => {
      if (report.say !== answer) return;
      answers.push(report as Answer);
      if (answers.length === children.length) all.resolve(answers);
    };
    listeners.add(listener);
    try {
      tell(command);
      return await within(all.promise, `answer of every client process to ${command.do}`, { deadlineMs });
    } finally {
      listeners.delete(listener);
    }
  }

  return {
    tell,
    status() {
      const sum = { clients, live: 0, deliveries: 0, stalled: 0 };
      for (const { deliveries, live, stalled } of statuses.values()) {
        sum.live += live;
        sum.deliveries += deliveries;
        sum.stalled += stalled;
      }
      return sum;
    },
    async behind(ends) {
      const answers = await ask({ do: 'compare', ends }, 'behind', ANSWER_MS);
      return {
        count: answers.reduce((sum, { count }) => sum + count, 0),
        examples: answers.flatMap(({ examples }) => examples),
      };
    },
    recoveries: async () => (await ask({ do: 'recoveries' }, 'recoveries', ANSWER_MS)).flatMap(({ list }) => list),
    async finish() {
      const answers = await ask({ do: 'finish' }, 'finished', FINISH_MS);
      const totals = new Map<string, number>();
      for (const { counts } of answers)
        for (const [name, count] of Object.entries(counts)) totals.set(name, (totals.get(name) ?? 0) + count);
      return totals;
    },
    stop() {
      stopped = true;
      for (const child of children) child.kill('SIGKILL');
    },
  };
}
