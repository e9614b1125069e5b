/** A client on a fake clock and a fake network, with what it says written down. */
import type { ClientMessage } from '@belfry/shared/protocol';
import type { Client, ClientOptions, StatusChange } from './api.js';
import { createClient } from './client.js';
import { createFakeClock, type FakeClock, settled } from './fake-clock.test-support.js';
import { createFakeNetwork, type FakeNetwork } from './fake-socket.test-support.js';

export interface Rig {
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly client: Client;
  /** `connecting`, `connected` …, as they came. */
  readonly statuses: string[];
  readonly changes: StatusChange[];
  /** `code: message` of every error. */
  readonly errors: string[];
  /** `lost`, `restored`, `failed`, as they came. */
  readonly outages: string[];
  /** Connects, up to AUTHENTICATED. */
  login(): Promise<void>;
  /** Waits for the next attempt to connect. */
  attempt(): Promise<void>;
  /** Waits for the next attempt, and lets it succeed. */
  reconnect(): Promise<void>;
  /** What the client sent since the last call, besides AUTHENTICATE, PING and PONG. */
  asked(): ClientMessage[];
}

export function createRig(options: Partial<ClientOptions> = {}): Rig {
  const clock = createFakeClock();
  const network = createFakeNetwork(clock.now);
  const client = createClient({
    url: 'ws://gateway.test/ws',
    getToken: () => 'token',
    WebSocket: network.WebSocket,
    fallback: false,
    clock,
    random: () => 0.5,
    ...options,
  });
  const statuses: string[] = [];
  const changes: StatusChange[] = [];
  const errors: string[] = [];
  const outages: string[] = [];
  client.on('status', (change) => {
    changes.push(change);
    if (change.current !== change.previous) statuses.push(change.current);
  });
  client.on('error', (error) => errors.push(`${error.code}: ${error.message}`));
  for (const name of ['lost', 'restored', 'failed'] as const) client.on(name, () => outages.push(name));
  const attempt = (): Promise<void> => {
    const before = network.sockets.length;
    return clock.until(() => network.sockets.length > before);
  };
  return {
    clock,
    network,
    client,
    statuses,
    changes,
    errors,
    outages,
    async login() {
      client.connect();
      await settled();
      network.socket.welcome();
      network.socket.authenticated();
      await settled();
    },
    attempt,
    async reconnect() {
      await attempt();
      network.socket.welcome();
      network.socket.authenticated();
      await settled();
    },
    asked: () => network.socket.take().filter(({ type }) => !['AUTHENTICATE', 'PING', 'PONG'].includes(type)),
  };
}
