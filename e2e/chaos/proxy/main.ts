/**
 * A TCP proxy that behaves as bad networks do: slow, cut, half-open, narrow, in small pieces. A process of its own, so
 * that the run itself is never in the way of what is measured.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { NO_RULES, type ProxyCommand, type ProxyReport, type Route, type Rules } from './rules.js';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  halfOpen: boolean;
}

interface OpenRoute {
  rules: Rules;
  readonly pairs: Set<Pair>;
}

const routes = new Map<string, OpenRoute>();

async function open({ name, target }: Route): Promise<number> {
  const route: OpenRoute = { rules: NO_RULES, pairs: new Set() };
  routes.set(name, route);
  const server = createServer({ noDelay: true }, (client) => {
    if (route.rules.refuse) return void client.resetAndDestroy();
    const pair: Pair = { client, server: connect({ host: '127.0.0.1', port: target, noDelay: true }), halfOpen: false };
    route.pairs.add(pair);
    pump(pair, pair.client, pair.server, route);
    pump(pair, pair.server, pair.client, route);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function pump(pair: Pair, from: Socket, to: Socket, route: OpenRoute): void {
  const held: { readonly due: number; readonly piece: Buffer }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let failed = false;

  /** Passes on what is due; one timer at a time, or pieces would overtake each other. */
  function release(): void {
    timer = undefined;
    const now = performance.now();
    while (held[0] && held[0].due <= now) {
      const { piece } = held.shift() as { piece: Buffer };
      if (!pair.halfOpen && to.writable && !to.write(piece)) wait(from, to);
    }
    if (held[0]) timer = setTimeout(release, Math.max(1, held[0].due - now));
  }

  from.on('error', () => {
    failed = true;
  });
  from.on('close', () => {
    route.pairs.delete(pair);
    clearTimeout(timer);
    if (pair.halfOpen) return;
    if (failed) to.resetAndDestroy();
    else to.end();
  });
  from.on('data', (chunk: Buffer) => {
    if (pair.halfOpen) return;
    const { bytesPerSecond, latencyMs, sliceBytes } = route.rules;
    if (latencyMs === 0 && bytesPerSecond === 0 && sliceBytes === 0 && held.length === 0) {
      if (!to.write(chunk)) wait(from, to);
      return;
    }
    const size = sliceBytes || chunk.length;
    const arrives = performance.now() + latencyMs * (1 + Math.random() / 2);
    for (let at = 0; at < chunk.length; at += size) {
      const piece = chunk.subarray(at, at + size);
      const takes = bytesPerSecond > 0 ? (piece.length * 1_000) / bytesPerSecond : 0;
      held.push({ due: Math.max(arrives, held.at(-1)?.due ?? 0) + takes, piece });
    }
    if (!timer) release();
  });
}

function wait(from: Socket, to: Socket): void {
  from.pause();
  to.once('drain', () => from.resume());
}

const chosen = (route: OpenRoute | undefined, share: number): Pair[] =>
  [...(route?.pairs ?? [])].filter(() => Math.random() < share);

async function obey(command: ProxyCommand): Promise<void> {
  switch (command.do) {
    case 'start': {
      const ports: Record<string, number> = {};
      for (const route of command.routes) ports[route.name] = await open(route);
      process.send?.({ say: 'listening', ports } satisfies ProxyReport);
      return;
    }
    case 'rules': {
      const route = routes.get(command.route);
      if (route) route.rules = command.rules;
      return;
    }
    case 'cut':
      for (const { client, server } of chosen(routes.get(command.route), command.share)) {
        client.resetAndDestroy();
        server.resetAndDestroy();
      }
      return;
    case 'halfOpen':
      for (const pair of chosen(routes.get(command.route), command.share)) pair.halfOpen = true;
      return;
  }
}

process.on('message', (command) => {
  obey(command as ProxyCommand).catch((error: unknown) => {
    console.error('the proxy failed', error);
    process.exit(1);
  });
});
process.once('disconnect', () => process.exit());
