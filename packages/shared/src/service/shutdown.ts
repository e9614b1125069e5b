/** Ends a process in order: on SIGTERM or SIGINT every registered step runs, last registered first, within a deadline. */
import type { Logger } from './logger.js';

export interface Shutdown {
  /** Registers a step; steps run in the reverse order of their registration. */
  step(name: string, run: () => Promise<void> | void): void;
  /** Runs the steps now, once; ends the process with `exitCode`. */
  now(reason: string, exitCode?: number): Promise<void>;
}

export interface ShutdownOptions {
  readonly logger: Logger;
  /** Milliseconds after which the process ends anyway, with exit code 1. */
  readonly deadlineMs: number;
  readonly exit: (code: number) => void;
}

export function createShutdown(options: ShutdownOptions): Shutdown {
  const { logger, deadlineMs, exit } = options;
  const steps: { name: string; run: () => Promise<void> | void }[] = [];
  let running: Promise<void> | undefined;

  async function run(reason: string, exitCode: number): Promise<void> {
    logger.info({ reason }, 'shutting down');
    const deadline = setTimeout(() => {
      logger.error({ deadline_ms: deadlineMs }, 'shutdown took too long');
      exit(1);
    }, deadlineMs);
    deadline.unref();
    for (const { name, run } of steps.reverse()) {
      try {
        await run();
      } catch (error) {
        logger.error({ err: error, step: name }, 'shutdown step failed');
      }
    }
    logger.info('stopped');
    exit(exitCode);
  }

  const now = (reason: string, exitCode = 0): Promise<void> => {
    running ??= run(reason, exitCode);
    return running;
  };
  return { step: (name, run) => void steps.push({ name, run }), now };
}

/** Connects a shutdown to the process: signals end it in order, an unexpected exception ends it with exit code 1. */
export function shutdownOnSignals(shutdown: Shutdown, logger: Logger): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void shutdown.now(signal));
  const fatal = (error: unknown, origin: string): void => {
    logger.fatal({ err: error, origin }, 'unexpected exception');
    void shutdown.now(origin, 1);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (error) => fatal(error, 'unhandledRejection'));
}
