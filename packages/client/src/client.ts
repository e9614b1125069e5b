/** Puts the parts together: the one function an application calls. */
import {
  type ClientMessage,
  GLOBAL_CHANNEL,
  propertyChannel,
  type StateMessage,
  type StatusMessage,
} from '@belfry/shared/protocol';
import type { Client, ClientOptions, ConnectionState, Gap, WebSocketConstructor } from './api.js';
import { systemClock } from './clock.js';
import { createConnection } from './connection.js';
import { createEmitter } from './emitter.js';
import { BelfryError } from './errors.js';
import { createOutage } from './outage.js';
import { createOutbox } from './outbox.js';
import { watchPage } from './page.js';
import { createPoller } from './polling.js';
import { createPositions } from './positions.js';
import { createRequests } from './requests.js';
import { bearer, fetchStates, HttpError, queryOf } from './snapshots.js';
import { createSubscriptions } from './subscriptions.js';
import { createTokens } from './tokens.js';
import { webSocketTransport } from './transport.js';

/** What a runtime may have; Node lacks most of it. */
const runtime = globalThis as {
  readonly WebSocket?: WebSocketConstructor;
  readonly window?: EventTarget;
  readonly document?: EventTarget;
  readonly navigator?: { readonly locks?: LockManager };
  readonly BroadcastChannel?: typeof BroadcastChannel;
  readonly location?: { readonly href: string };
};

/** @throws TypeError for a URL that is none, and where the runtime has no WebSocket and none was given */
export function createClient(options: ClientOptions): Client {
  const { clock = systemClock, random = Math.random, fallback = {}, share: name, page = runtime } = options;
  const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  const urls = [options.url].flat();
  const id = random().toString(36).slice(2);
  let count = 0;
  const newRef = (): string => `${id}.${++count}`;

  const emitter = createEmitter();
  const { emit, report } = emitter;
  const tokens = createTokens({ getToken: options.getToken, clock, random, report });
  const positions = createPositions(options.storage, clock, report);
  const poke = (): void => outbox.poke();
  const requests = createRequests(poke);
  const gap = (found: Gap): void => emit('gap', found);
  const subscriptions = createSubscriptions({ clock, random, positions, newRef, poke, report, gap });
  /** Frames of the tabs that follow this one. */
  let foreign: ClientMessage[] = [];
  const outbox = createOutbox(clock, () => foreign.shift() ?? requests.next() ?? subscriptions.next());

  const { url: pollUrl, intervalMs = 10_000, afterFailures = 3 } = fallback || {};
  const poller = createPoller({
    urls: pollUrl ? [pollUrl] : urls.map((url) => addressOf(url, 'http', '/v1/state')),
    intervalMs,
    channels: subscriptions.names,
    show: subscriptions.polled,
    changed,
    fetch,
    tokens,
    clock,
    random,
    report,
  });

  const sse = options.transport === 'sse';
  const webSocket = sse ? undefined : webSocketTransport(webSocketOf(options));
  const { locks } = runtime.navigator ?? {};
  const Channel = runtime.BroadcastChannel;
  const addresses = urls.map((url) => (sse ? addressOf(url, 'http', '/v1/stream') : addressOf(url, 'ws')));
  const connection = createConnection({
    options,
    urls: addresses,
    clock,
    random,
    tokens,
    emitter,
    changed,
    renewed: () => subscriptions.retryRefused(),
    transport: async () =>
      webSocket ?? (await import('./sse.js')).sseTransport(fetch, { bearer, fetchStates, HttpError, queryOf }),
    share:
      name && locks && Channel
        ? async (events) =>
            (await import('./share.js')).createShare({
              name,
              id,
              urls: addresses,
              tokens,
              clock,
              locks,
              Channel,
              events,
            })
        : undefined,
    follower: {
      send: (tab, message) => {
        if (message.type === 'UNSUBSCRIBE') return subscriptions.letGo(tab, message.channels);
        if (message.type === 'SUBSCRIBE') subscriptions.hold(tab, message.channels ?? []);
        foreign.push(message);
        poke();
      },
      gone: subscriptions.letGo,
    },
    up: (send) => {
      outbox.attach(send);
      subscriptions.attach();
    },
    down: () => {
      outbox.detach();
      subscriptions.detach();
      requests.detach();
      foreign = [];
    },
    receive: (message) => {
      if (!requests.receive(message)) subscriptions.receive(message);
    },
  });

  const outage = createOutage(clock, options.lostAfterMs ?? 5_000, emit);
  const unwatch =
    page.window && page.document && watchPage(page.window, page.document, { ...connection, save: positions.flush });

  let state: ConnectionState = { ...connection.state, mode: 'stale' };
  let disposed = false;

  function changed(): void {
    if (fallback && connection.trying && connection.state.attempt >= afterFailures) poller.start();
    else poller.stop();
    const { status: previous } = state;
    const next = connection.state;
    const { status, retryAt, reason } = next;
    const now: ConnectionState = {
      ...next,
      mode: status === 'connected' ? 'live' : poller.fresh ? 'polling' : 'stale',
    };
    if (JSON.stringify(now) === JSON.stringify(state)) return;
    state = now;
    emit('status', { ...now, current: status, previous, retryInMs: retryAt && retryAt - clock.now() });
    if (status === previous) return;
    outage(status, reason);
    if (status === 'disconnected') requests.fail(new BelfryError('closed', status));
  }

  function wake(): void {
    if (disposed) throw new BelfryError('closed', 'disposed of');
    if (state.status === 'initial') connection.connect();
  }

  const ask: typeof requests.ask = async (message, command) => {
    wake();
    if (state.status === 'disconnected') throw new BelfryError('closed', state.status);
    return requests.ask(message, command);
  };

  return {
    get state() {
      return state;
    },
    get user() {
      return connection.user;
    },
    connect: () => {
      wake();
      connection.connect();
    },
    close: connection.close,
    retryNow: () => connection.retry(),
    dispose: () => {
      connection.close();
      disposed = true;
      unwatch?.();
      subscriptions.dispose();
      positions.flush();
      emitter.clear();
    },
    subscribe: (channel, handlers) => {
      wake();
      poller.renew();
      return subscriptions.add(channelOf(channel), handlers);
    },
    on: emitter.on,
    getState: async (channel, command) =>
      ask<StateMessage>({ type: 'GET_STATE', channel: channelOf(channel), ref: newRef() }, command),
    getStatus: (command) => ask<StatusMessage>({ type: 'GET_STATUS', ref: newRef() }, command),
    ping: async (command) => {
      const sent = clock.now();
      await ask({ type: 'PING', ref: newRef() }, command);
      return clock.now() - sent;
    },
  };
}

/**
 * A property's id alone is its channel's name. Which kinds of channel there are is for the gateway to say.
 * @throws TypeError
 */
function channelOf(name: string): string {
  if (!/^([a-z]+:)?[\w-]{1,64}$/.test(name)) throw new TypeError(`not a channel: ${name}`);
  return name.includes(':') || name === GLOBAL_CHANNEL ? name : propertyChannel(name);
}

/** The same gateway by another protocol: `ws://host/ws` is `http://host` + path. */
function addressOf(url: string, protocol: 'ws' | 'http', path = ''): string {
  const address = new URL(url, runtime.location?.href).href.replace(/^(ws|http)/, protocol);
  return path ? address.replace(/(\/ws(\/dashboard)?)?\/?$/, path) : address;
}

function webSocketOf({ WebSocket = runtime.WebSocket }: ClientOptions): WebSocketConstructor {
  if (!WebSocket) {
    throw new TypeError('no WebSocket in this runtime: pass one as `WebSocket`, as of the package `ws`');
  }
  return WebSocket;
}
