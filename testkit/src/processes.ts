/** Gateways and publishers as processes of their own, built as they are shipped, on free ports. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { signalGroup, spawnOwned, stopProcess } from '../../scripts/processes.mjs';
import { serviceCommand } from '../../scripts/service-command.mjs';
import { deferred, within } from './deadline.js';
import { mintOperatorToken, TEST_SECRET } from './token.js';

export { ownFolder, spawnOwned, stopProcess } from '../../scripts/processes.mjs';
export { serviceCommand } from '../../scripts/service-command.mjs';

const START_DEADLINE_MS = 30_000;
/** What a process has in hand gets some seconds by design; twice that, and more, is still in order on a busy machine. */
const STOP_GRACE_MS = 20_000;
const SHOWN_LINES = 20;

export type Environment = Readonly<Record<string, string>>;

/** One line of a process's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface TestProcess {
  readonly pid: number;
  /** Of the clients' door: WebSocket for a gateway, HTTP for a publisher. */
  readonly port: number;
  readonly operatorPort: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** `http://127.0.0.1:<operatorPort>`: /metrics, /livez, /readyz. */
  readonly operatorUrl: string;
  /** Resolves when the process has ended, by whatever. */
  readonly exited: Promise<Exit>;
  /** What it has logged so far; lines that are no log lines are in `output` only. */
  logs(): readonly LogLine[];
  /** Everything it wrote to stdout and stderr. */
  output(): string;
  /** The first log line that fulfils the predicate, written already or yet to come. */
  logged(predicate: (line: LogLine) => boolean, options?: { deadlineMs?: number }): Promise<LogLine>;
  /** Sends a signal and does not wait: SIGSTOP and SIGCONT freeze and thaw it. */
  signal(name: NodeJS.Signals): void;
  /** kill -9. */
  kill(): Promise<Exit>;
  /** SIGTERM, and SIGKILL after 20 s. Harmless when it has ended. */
  stop(): Promise<Exit>;
}

export interface TestGateway extends TestProcess {
  /** `ws://127.0.0.1:<port>/ws` */
  readonly wsUrl: string;
  /** Asks the operators' port, as an operator. A body makes it a POST unless `method` says otherwise. */
  operate(path: string, options?: { readonly method?: string; readonly body?: unknown }): Promise<Response>;
}

/** A process that is not listening ended, or took too long; `output` says why. */
export class StartFailed extends Error {
  readonly exit: Exit | undefined;
  readonly output: string;

  constructor(message: string, exit: Exit | undefined, output: string) {
    super(`${message}:\n${output.trim().split('\n').slice(-SHOWN_LINES).join('\n')}`);
    this.exit = exit;
    this.output = output;
  }
}

/**
 * Starts a gateway and resolves when it listens. `env` is all of its settings beside the defaults for tests (the
 * developer's own environment does not count); REDIS_URL is needed.
 * @throws StartFailed
 */
export async function startGateway(env: Environment): Promise<TestGateway> {
  const gateway = await startNode('gateway', {
    WEBSOCKET_HOST: '127.0.0.1',
    WEBSOCKET_PORT: '0',
    JWT_SECRET: TEST_SECRET,
    ...env,
  });
  const authorization = `Bearer ${mintOperatorToken('operator', { secret: env.OPERATOR_SECRET || env.JWT_SECRET || TEST_SECRET })}`;
  return {
    ...gateway,
    wsUrl: `ws://127.0.0.1:${gateway.port}/ws`,
    operate: (path, { body, method = body === undefined ? 'GET' : 'POST' } = {}) =>
      fetch(`${gateway.operatorUrl}${path}`, {
        method,
        headers: { authorization },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  };
}

/**
 * Starts a publisher and resolves when it listens; REDIS_URL is needed.
 * @throws StartFailed
 */
export function startPublisher(env: Environment): Promise<TestProcess> {
  // No test asks the real city: one that tests sources gives them a city of its own.
  return startNode('publisher', { HTTP_HOST: '127.0.0.1', HTTP_PORT: '0', SOURCES_ENABLED: 'false', ...env });
}

function startNode(name: 'gateway' | 'publisher', env: Environment): Promise<TestProcess> {
  const { options, script } = serviceCommand(name);
  return startProcess(script, { OPERATOR_HOST: '127.0.0.1', OPERATOR_PORT: '0', ...env }, options);
}

/**
 * Starts any Node script that logs as Belfry's processes do, and resolves when it says `listening`.
 * @param options Node's own
 */
export async function startProcess(
  script: string,
  env: Environment,
  options: readonly string[] = [],
): Promise<TestProcess> {
  const child = spawnOwned(process.execPath, [...options, script], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: LogLine[] = [];
  const watchers = new Set<(line: LogLine) => void>();
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (text) => {
      output += `${text}\n`;
      const line = parseLine(text);
      if (!line) return;
      lines.push(line);
      for (const watcher of watchers) watcher(line);
    });
  }
  const exited = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }));

  const logged: TestProcess['logged'] = async (predicate, options = {}) => {
    const written = lines.find(predicate);
    if (written) return written;
    const found = deferred<LogLine>();
    const watcher = (line: LogLine) => predicate(line) && found.resolve(line);
    watchers.add(watcher);
    const ended = exited.then((exit): never => {
      throw new StartFailed(`${script} ended with ${exit.signal ?? exit.code}`, exit, output);
    });
    try {
      return await within(Promise.race([found.promise, ended]), 'such log line', { ...options, seen: () => output });
    } finally {
      watchers.delete(watcher);
    }
  };
  const stop = async () => {
    // A frozen process would not hear of it.
    signalGroup(child, 'SIGCONT');
    await stopProcess(child, STOP_GRACE_MS);
    return await exited;
  };

  let port: number;
  let operatorPort: number;
  try {
    const listening = await logged(({ msg }) => msg === 'listening', { deadlineMs: START_DEADLINE_MS });
    port = Number(listening.port);
    operatorPort = Number(listening.operator_port);
  } catch (error) {
    await stop();
    throw error instanceof StartFailed ? error : new StartFailed(`${script} does not listen`, undefined, output);
  }
  return {
    pid: child.pid ?? 0,
    port,
    operatorPort,
    url: `http://127.0.0.1:${port}`,
    operatorUrl: `http://127.0.0.1:${operatorPort}`,
    exited,
    logs: () => lines,
    output: () => output,
    logged,
    signal: (name) => void signalGroup(child, name),
    async kill() {
      signalGroup(child, 'SIGKILL');
      return await exited;
    },
    stop,
  };
}

function parseLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}
