/**
 * A gateway or publisher of the run: a process that is killed, frozen, drained and replaced, always at the same port, as
 * an orchestrator would do it. What ends without having been told to is an incident.
 */
import type { Exit, TestProcess } from '@belfry/testkit';

export type NodeState = 'up' | 'frozen' | 'draining' | 'down';

export interface Node {
  readonly name: string;
  readonly port: number;
  readonly state: NodeState;
  readonly process: TestProcess | undefined;
  start(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended by itself. */
  drain(): Promise<Exit>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface NodeEvents {
  readonly onState: () => void;
  /** The process ended by itself, or did not end as it should. */
  readonly onIncident: (what: string) => void;
}

const OUTPUT_LINES = 15;

export function createNode(
  name: string,
  port: number,
  launch: () => Promise<TestProcess>,
  { onIncident, onState }: NodeEvents,
): Node {
  let state: NodeState = 'down';
  let running: TestProcess | undefined;
  let stopped = false;

  function become(next: NodeState): void {
    state = next;
    onState();
  }

  const told = (process: TestProcess): boolean => running !== process || state === 'down' || state === 'draining';
  const lastLines = (process: TestProcess): string =>
    process.output().trim().split('\n').slice(-OUTPUT_LINES).join('\n');

  return {
    name,
    port,
    get state() {
      return state;
    },
    get process() {
      return running;
    },
    async start() {
      const process = await launch();
      if (stopped) {
        await process.kill();
        return;
      }
      running = process;
      process.exited.then(({ code, signal }) => {
        if (told(process)) return;
        onIncident(`${name} ended by itself with ${signal ?? code}:\n${lastLines(process)}`);
        become('down');
      });
      become('up');
    },
    async kill() {
      become('down');
      await running?.kill();
    },
    async drain() {
      const process = running;
      if (!process) throw new Error(`${name} does not run`);
      become('draining');
      process.signal('SIGTERM');
      const exit = await process.exited;
      if (exit.code !== 0)
        onIncident(`${name} was told to go and ended with ${exit.signal ?? exit.code}:\n${lastLines(process)}`);
      become('down');
      return exit;
    },
    freeze() {
      become('frozen');
      running?.signal('SIGSTOP');
    },
    thaw() {
      running?.signal('SIGCONT');
      if (state === 'frozen') become('up');
    },
    async stop() {
      stopped = true;
      state = 'down';
      await running?.kill();
    },
  };
}
