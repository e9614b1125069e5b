/** The run's side of the proxy. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { NO_RULES, type ProxyCommand, type ProxyReport, type Route, type Rules } from './rules.js';

export interface BadNetwork {
  /** The proxy's own port of each route. */
  readonly ports: Readonly<Record<string, number>>;
  rules(route: string, rules: Partial<Rules>): void;
  /** Takes all rules back. */
  heal(route: string): void;
  cut(route: string, share?: number): void;
  halfOpen(route: string, share?: number): void;
  stop(): void;
}

export async function startProxy(routes: readonly Route[]): Promise<BadNetwork> {
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)));
  let stopped = false;
  child.once('exit', (code, signal) => {
    if (!stopped) throw new Error(`the proxy ended by itself: ${signal ?? code}`);
  });
  const tell = (command: ProxyCommand): void => void child.send(command);
  tell({ do: 'start', routes });
  const [report] = (await once(child, 'message')) as [ProxyReport];
  return {
    ports: report.ports,
    rules: (route, rules) => tell({ do: 'rules', route, rules: { ...NO_RULES, ...rules } }),
    heal: (route) => tell({ do: 'rules', route, rules: NO_RULES }),
    cut: (route, share = 1) => tell({ do: 'cut', route, share }),
    halfOpen: (route, share = 1) => tell({ do: 'halfOpen', route, share }),
    stop: () => {
      stopped = true;
      child.kill('SIGKILL');
    },
  };
}
