/**
 * The clients' port, and the only place that knows uWebSockets.js. A WebSocket becomes a `Socket` here, a topic a
 * channel; everything else is said to sessions in their own words.
 */

import './header-limit.js';
import {
  App,
  type HttpRequest,
  type HttpResponse,
  SSLApp,
  type us_listen_socket,
  us_listen_socket_close,
  type us_socket_context_t,
  us_socket_local_port,
  type WebSocket,
} from 'uWebSockets.js';
import type { AccessPolicy, Verify } from '@belfry/shared/auth';
import type { LogReader } from '@belfry/shared/log';
import type { PreferenceStore } from '@belfry/shared/preferences';
import { CLOSE_CODES, type CloseCode } from '@belfry/shared/protocol';
import type { Logger } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import type { Frame } from '../channels/subscriber.js';
import type { Budgets } from '../session/rate-limit.js';
import type { Session } from '../session/session.js';
import type { Socket } from '../session/socket.js';
import { registerHttp, type StreamRequest } from './http.js';
import { type EventStream, openEventStream, readLastEventId, subscribeFrame } from './stream.js';
import {
  type Credential,
  createAddressReader,
  createCookieReader,
  createOriginCheck,
  credentialOf,
} from './upgrade.js';

export interface TransportOptions {
  readonly host: string;
  readonly port: number;
  /** PEM files; undefined where a proxy ends TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Whether an upgrade that brings no token may be accepted. */
  readonly admitUnauthenticated: (address: string) => 'yes' | 'full' | 'address';
  /** Requests and upgrades of an address. */
  readonly requestsOfAddress: Budgets;
  /** Requests of a user. */
  readonly requestsOfUser: Budgets;
  readonly replays: Budgets;
  readonly openings: Budgets;
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  /** Name of a cookie that may hold the token; empty for none. */
  readonly authenticationCookie: string;
  readonly issueTicket: (token: string) => Promise<string>;
  readonly preferences: PreferenceStore;
  readonly maxMessageBytes: number;
  readonly maxBackpressureBytes: number;
  readonly logger: Logger;
  readonly verify: Verify;
  readonly accessPolicy: AccessPolicy;
  readonly hub: Pick<Hub, 'state'>;
  readonly log: LogReader;
  readonly onOpen: (socket: Socket, address: string, token: string | undefined) => Session;
  readonly onClose: (session: Session, code: number) => void;
  readonly onRefused: (reason: RefusalReason) => void;
  /** Seconds after which a refused client may try again. */
  readonly retryAfterSeconds: () => number;
}

export type RefusalReason = 'origin' | 'full' | 'address' | 'draining' | 'rate' | 'unauthenticated';

export interface Transport {
  listen(): Promise<number>;
  publish(channel: string, frame: Frame): void;
  /** Accepts nobody any more; those who are connected stay. */
  stopAccepting(): void;
  /** Cuts every connection off. Last of all. */
  close(): void;
}

/** What uWebSockets.js keeps with each socket. */
interface UserData {
  readonly address: string;
  readonly credential: Credential | undefined;
  session: Session | undefined;
  gone: boolean;
  /** Something for it was dropped: there is a hole, and nothing may come behind it. */
  choked: boolean;
}

type Ws = WebSocket<UserData>;

/** The package's typings know options only without a host. */
type ListenOnHost = (
  host: string,
  port: number,
  options: number,
  listening: (token: us_listen_socket | false) => void,
) => void;
/** LIBUS_LISTEN_EXCLUSIVE_PORT: without it a second gateway would share the port in silence. */
const EXCLUSIVE_PORT = 1;

/** Longer than any heartbeat: sessions reap silent clients themselves, this is for what slips through. */
const IDLE_TIMEOUT_SECONDS = 900;
/** An address that is this far beyond its budget, by floods, is not answered any more: its connections are closed. */
const IN_DEBT_MS = 1_000;
const PATHS = ['/', '/ws', '/ws/dashboard'];

export function createTransport(options: TransportOptions): Transport {
  const { logger } = options;
  const { tls } = options;
  const app = tls ? SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile }) : App();
  const originAllowed = createOriginCheck(options.allowedOrigins);
  const addressOf = createAddressReader(options.trustedProxies);
  const cookie = createCookieReader(options.authenticationCookie, options.allowedOrigins);
  const perAddress = new Map<string, number>();
  /** Streams by channel: uWebSockets.js has topics for WebSockets only. */
  const streams = new Map<string, Set<EventStream>>();
  /** Sockets for which something was dropped and that are still subscribed. */
  const choked: Ws[] = [];
  let connections = 0;
  let accepting = true;
  let listening: us_listen_socket | undefined;

  function refusal(origin: string, address: string): { reason: RefusalReason; status: string } | undefined {
    if (!originAllowed(origin)) return { reason: 'origin', status: '403 Forbidden' };
    if (!accepting) return { reason: 'draining', status: '503 Service Unavailable' };
    if (connections >= options.maxConnections) return { reason: 'full', status: '503 Service Unavailable' };
    if ((perAddress.get(address) ?? 0) >= options.maxConnectionsPerAddress) {
      return { reason: 'address', status: '429 Too Many Requests' };
    }
    return undefined;
  }

  function unauthenticatedRefusal(address: string): { reason: RefusalReason; status: string } | undefined {
    const answer = options.admitUnauthenticated(address);
    if (answer === 'yes') return undefined;
    const status = answer === 'full' ? '503 Service Unavailable' : '429 Too Many Requests';
    return { reason: 'unauthenticated', status };
  }

  function refuse(response: HttpResponse, { reason, status }: { reason: RefusalReason; status: string }): void {
    options.onRefused(reason);
    response.writeStatus(status);
    if (reason !== 'origin') response.writeHeader('Retry-After', String(options.retryAfterSeconds()));
    // With the connection: who was refused has nothing more to say on it.
    response.end(`${reason}\n`, true);
  }

  function upgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    const address = addressOf(textOf(response.getRemoteAddressAsText()), request.getHeader('x-forwarded-for'));
    const waitMs = options.requestsOfAddress.take(address);
    if (waitMs > IN_DEBT_MS) {
      options.onRefused('rate');
      response.close();
      return;
    }
    if (waitMs > 0) {
      refuse(response, { reason: 'rate', status: '429 Too Many Requests' });
      return;
    }
    const refused = refusal(request.getHeader('origin'), address);
    if (refused) return refuse(response, refused);
    // uWebSockets.js asks for a key only. Without these two a page could have a browser send it by other means.
    if (
      request.getHeader('upgrade').toLowerCase() !== 'websocket' ||
      request.getHeader('sec-websocket-version') !== '13'
    ) {
      response.writeStatus('426 Upgrade Required').writeHeader('Sec-WebSocket-Version', '13').end('websocket 13\n');
      return;
    }
    const credential = credentialOf(
      {
        origin: request.getHeader('origin'),
        authorization: request.getHeader('authorization'),
        protocols: request.getHeader('sec-websocket-protocol'),
        tokenInQuery: request.getQuery('token'),
        cookies: request.getHeader('cookie'),
      },
      cookie,
    );
    const uninvited = credential.token === undefined ? unauthenticatedRefusal(address) : undefined;
    if (uninvited) return refuse(response, uninvited);
    const userData: UserData = { address, credential, session: undefined, gone: false, choked: false };
    response.upgrade(
      userData,
      request.getHeader('sec-websocket-key'),
      credential.protocol ?? '',
      request.getHeader('sec-websocket-extensions'),
      context,
    );
  }

  function count(address: string): void {
    connections += 1;
    perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
  }

  function discount(address: string): void {
    connections -= 1;
    const held = (perAddress.get(address) ?? 1) - 1;
    if (held > 0) perAddress.set(address, held);
    else perAddress.delete(address);
  }

  function opened(ws: Ws): void {
    const data = ws.getUserData();
    count(data.address);
    const token = data.credential?.token;
    // uWebSockets.js copies user data onto the socket: the token need not stay there for the connection's life.
    Object.assign(data, { credential: undefined });
    const session = options.onOpen(new WebSocketSocket(ws), data.address, token);
    // A session may end its socket in its first moment, for its token's sake: uWebSockets.js calls `close` within `end`.
    if (data.gone) options.onClose(session, CLOSE_CODES.tokenInvalid.code);
    else data.session = session;
  }

  function closed(ws: Ws, code: number): void {
    const data = ws.getUserData();
    discount(data.address);
    data.gone = true;
    if (data.session) options.onClose(data.session, code);
    data.session = undefined;
  }

  /** A stream counts as a connection, and is one session like any other. */
  function openStream(response: HttpResponse, request: StreamRequest): void {
    const address = addressOf(textOf(response.getRemoteAddressAsText()), request.forwardedFor);
    const refused = refusal('', address);
    if (refused) return refuse(response, refused);
    count(address);
    let session: Session | undefined;
    let gone = false;
    const stream = openEventStream({
      response,
      headers: request.headers,
      positions: readLastEventId(request.lastEventId),
      maxBackpressureBytes: options.maxBackpressureBytes,
      onFollow: (channel, follower) => {
        const followers = streams.get(channel);
        if (followers) followers.add(follower);
        else streams.set(channel, new Set([follower]));
      },
      onUnfollow: (channel, follower) => forgetStream(channel, follower),
      onAlive: () => session?.receive('{"type":"PONG"}'),
      onDrained: () => session?.drained(),
      onClosed: () => {
        for (const [channel] of streams) forgetStream(channel, stream);
        discount(address);
        gone = true;
        if (session) options.onClose(session, CLOSE_CODES.goingAway.code);
      },
    });
    session = options.onOpen(stream, address, request.token);
    if (gone) return options.onClose(session, CLOSE_CODES.tooManyConnections.code);
    session.receive(subscribeFrame(request.channels, readLastEventId(request.lastEventId)));
  }

  function forgetStream(channel: string, stream: EventStream): void {
    const followers = streams.get(channel);
    followers?.delete(stream);
    if (followers?.size === 0) streams.delete(channel);
  }

  /** A handler that throws would end the process: whatever happens is logged, and costs this client its connection. */
  function guarded<A extends [Ws, ...unknown[]]>(handler: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      try {
        handler(...args);
      } catch (error) {
        logger.error({ err: error }, 'handling a client failed');
        const [ws] = args;
        setImmediate(() => closeQuietly(ws));
      }
    };
  }

  function closeQuietly(ws: Ws): void {
    try {
      ws.end(1011, 'internal error');
    } catch (error) {
      logger.debug({ err: error }, 'the connection was closed already');
    }
  }

  /** Called from inside a send, where the socket must not be touched: only noted. */
  function choke(ws: Ws): void {
    const data = ws.getUserData();
    data.choked = true;
    choked.push(ws);
    data.session?.poison();
  }

  /**
   * Its session closes it when this turn is over. Until then a socket that has room again would get what is published
   * next, behind the hole, and nobody could tell the client of it.
   */
  function silenceChoked(): Ws[] {
    const sockets = choked.splice(0);
    for (const ws of sockets) unsubscribeQuietly(ws);
    return sockets;
  }

  /**
   * uWebSockets.js sends a socket 32 messages at a time. Where that is what dropped something, the message that is being
   * published is queued behind the hole already, and only closing the socket takes it back: before the loop sends what is
   * queued, and behind whoever publishes.
   */
  function cutChoked(): void {
    const sockets = silenceChoked();
    queueMicrotask(() => sockets.forEach(destroyQuietly));
  }

  for (const path of PATHS) {
    app.ws<UserData>(path, {
      // No compression, the default: it costs twice the CPU or 76 KB a connection.
      maxPayloadLength: options.maxMessageBytes,
      maxBackpressure: options.maxBackpressureBytes,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      sendPingsAutomatically: false,
      upgrade,
      open: guarded(opened),
      message: guarded((ws: Ws, message: ArrayBuffer, isBinary: boolean) => {
        const { session } = ws.getUserData();
        if (isBinary) session?.receiveBinary();
        else session?.receive(Buffer.from(message).toString('utf8'));
      }),
      ping: guarded((ws: Ws) => ws.getUserData().session?.receivePing()),
      dropped: guarded(choke),
      drain: guarded((ws: Ws) => ws.getUserData().session?.drained()),
      close: guarded((ws: Ws, code: number) => closed(ws, code)),
    });
  }
  registerHttp(app, {
    verify: options.verify,
    accessPolicy: options.accessPolicy,
    hub: options.hub,
    log: options.log,
    originAllowed,
    cookie,
    addressOf: (response, forwardedFor) => addressOf(textOf(response.getRemoteAddressAsText()), forwardedFor),
    requestsOfAddress: options.requestsOfAddress,
    requestsOfUser: options.requestsOfUser,
    replays: options.replays,
    openings: options.openings,
    issueTicket: options.issueTicket,
    preferences: options.preferences,
    retryAfterSeconds: options.retryAfterSeconds,
    openStream,
    onFailure: (error) => logger.error({ err: error }, 'answering a request failed'),
  });

  const listen = app.listen.bind(app) as unknown as ListenOnHost;

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        listen(options.host, options.port, EXCLUSIVE_PORT, (token) => {
          if (!token) {
            reject(new Error(`WEBSOCKET_PORT=${options.port} cannot be listened on: it is taken, or not allowed`));
            return;
          }
          listening = token;
          resolve(us_socket_local_port(token));
        });
      }),
    publish(channel, frame) {
      if (choked.length > 0) silenceChoked();
      app.publish(channel, frame, false);
      if (choked.length > 0) cutChoked();
      const followers = streams.get(channel);
      if (followers) for (const stream of followers) stream.publish(channel, frame);
    },
    stopAccepting() {
      accepting = false;
      if (listening) us_listen_socket_close(listening);
      listening = undefined;
    },
    close() {
      app.close();
      listening = undefined;
    },
  };
}

/** uWebSockets.js' answer to `send` when nothing was sent. */
const DROPPED = 2;

/** A class, not closures: there are ten thousand of these. */
class WebSocketSocket implements Socket {
  readonly #ws: Ws;

  constructor(ws: Ws) {
    this.#ws = ws;
  }
  send(frame: Frame): boolean {
    return this.#ws.send(frame, false) !== DROPPED;
  }
  together(sends: () => void): void {
    this.#ws.cork(sends);
  }
  follow(channel: string): void {
    const { choked, gone } = this.#ws.getUserData();
    if (!choked && !gone) this.#ws.subscribe(channel);
  }
  unfollow(channel: string): void {
    this.#ws.unsubscribe(channel);
  }
  end({ code, reason }: CloseCode): void {
    this.#ws.end(code, reason);
  }
  destroy(): void {
    destroyQuietly(this.#ws);
  }
  get bufferedBytes(): number {
    return this.#ws.getBufferedAmount();
  }
}

function unsubscribeQuietly(ws: Ws): void {
  try {
    for (const topic of ws.getTopics()) ws.unsubscribe(topic);
  } catch {
    // Closed in the meantime: what was wanted.
  }
}

function destroyQuietly(ws: Ws): void {
  try {
    ws.close();
  } catch {
    // Closed in the meantime: what was wanted.
  }
}

const textOf = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('latin1');
