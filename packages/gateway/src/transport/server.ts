/**
 * The clients' port, where this folder's parts come together: the only one that knows uWebSockets.js. A WebSocket becomes
 * a `Socket` here, a topic a channel; everything else is said to sessions in their own words.
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
} from 'uWebSockets.js';
import { createServer } from 'node:net';
import type { AccessPolicy, Verify } from '@belfry/shared/auth';
import type { LogReader } from '@belfry/shared/log';
import type { PreferenceStore } from '@belfry/shared/preferences';
import { CLOSE_CODES } from '@belfry/shared/protocol';
import { type Budgets, ConfigurationError, type Logger, listenAt } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import type { Frame } from '../channels/subscriber.js';
import { networkOf } from '../session/client-network.js';
import type { Session } from '../session/session.js';
import type { Socket } from '../session/socket.js';
import { createAddressReader, createForwardedForReader } from './address.js';
import { type AdmissionOptions, createAdmission, NO_PLACE } from './admission.js';
import { createChokedSockets } from './choked-sockets.js';
import { createGatheredSends } from './gathered-sends.js';
import { registerHttp } from './http.js';
import { createStreams } from './streams.js';
import { createCookieReader, createOriginCheck, credentialOf } from './upgrade.js';
import type { WaitingRoom } from './waiting-room.js';
import { WebSocketSocket } from './websocket-socket.js';
import type { UserData, Ws } from './ws.js';

export interface TransportOptions extends Omit<AdmissionOptions, 'originAllowed'> {
  readonly host: string;
  readonly port: number;
  /** PEM files; undefined where a proxy ends TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Requests of a user. */
  readonly requestsOfUser: Budgets;
  /** Where upgrades without a token wait for a place. */
  readonly waitingRoom: WaitingRoom;
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
}

export interface Transport {
  listen(): Promise<number>;
  publish(channel: string, frame: Frame): void;
  /** Accepts nobody any more; those who are connected stay. */
  stopAccepting(): void;
  /** Cuts every connection off. Last of all. */
  close(): void;
}

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
const PATHS = ['/', '/ws', '/ws/dashboard'];

export function createTransport(options: TransportOptions): Transport {
  const { logger, waitingRoom } = options;
  const { tls } = options;
  const app = tls ? SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile }) : App();
  const originAllowed = createOriginCheck(options.allowedOrigins);
  const addressOf = createAddressReader(options.trustedProxies);
  const forwardedFor = createForwardedForReader(options.trustedProxies);
  const cookie = createCookieReader(options.authenticationCookie, options.allowedOrigins);
  const admission = createAdmission({ ...options, originAllowed });
  const choked = createChokedSockets();
  const sends = createGatheredSends();
  const remoteAddress = (response: HttpResponse, forwarded: string): string =>
    addressOf(Buffer.from(response.getRemoteAddressAsText()).toString('latin1'), forwarded);
  const streams = createStreams({ ...options, admission, addressOf: remoteAddress });
  let listening: us_listen_socket | undefined;
  /** While an upgrade that was waited for goes on: its socket, as soon as there is one. */
  let entering: { ws?: Ws | undefined } | undefined;

  function upgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    const origin = request.getHeader('origin');
    const address = remoteAddress(response, forwardedFor(request));
    if (!admission.withinRate(response, address)) return;
    const refused = admission.refusal(origin, address);
    if (refused) return admission.refuse(response, refused);
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
        origin,
        authorization: request.getHeader('authorization'),
        protocols: request.getHeader('sec-websocket-protocol'),
        tokenInQuery: request.getQuery('token'),
        cookies: request.getHeader('cookie'),
      },
      cookie,
    );
    const userData: UserData = { address, credential, session: undefined, gone: false, choked: false };
    const key = request.getHeader('sec-websocket-key');
    const extensions = request.getHeader('sec-websocket-extensions');
    const enter = (): void => {
      response.upgrade(userData, key, credential.protocol ?? '', extensions, context);
    };
    if (credential.token !== undefined) return enter();
    const uninvited = admission.unauthenticatedRefusal(address);
    if (uninvited) return admission.refuse(response, uninvited);
    const network = networkOf(address);
    if (waitingRoom.isOpenTo(network)) return enter();
    const waits = waitingRoom.wait(response, network, {
      enter: () => {
        const refusedSince = admission.refusal(origin, address) ?? admission.unauthenticatedRefusal(address);
        if (refusedSince) response.cork(() => admission.refuse(response, refusedSince));
        else enterLate(response, enter);
      },
      giveUp: () => response.cork(() => admission.refuse(response, NO_PLACE)),
    });
    if (!waits) admission.refuse(response, NO_PLACE);
  }

  /**
   * An upgrade that is not answered at once. When it returns, uWebSockets.js looks for flags of the request where the socket
   * no longer has any (up to C++ 20.78, its pull request 1929). Whatever takes memory between the two may have been put
   * there, and the connection is ended for it: so the session begins behind both.
   */
  function enterLate(response: HttpResponse, enter: () => void): void {
    const late: { ws?: Ws | undefined } = {};
    entering = late;
    try {
      response.cork(enter);
    } finally {
      // Also where it fails: whoever comes next would never get a session.
      entering = undefined;
    }
    const { ws } = late;
    ws?.cork(() => begin(ws));
  }

  function opened(ws: Ws): void {
    admission.entered(ws.getUserData().address);
    if (entering) entering.ws = ws;
    else begin(ws);
  }

  const begin = guarded((ws: Ws): void => {
    const data = ws.getUserData();
    const token = data.credential?.token;
    // uWebSockets.js copies user data onto the socket: the token need not stay there for the connection's life.
    data.credential = undefined;
    const session = options.onOpen(new WebSocketSocket(ws, sends), data.address, token);
    // A session may end its socket in its first moment, for its token's sake: uWebSockets.js calls `close` within `end`.
    if (data.gone) options.onClose(session, CLOSE_CODES.tokenInvalid.code);
    else data.session = session;
  }, true);

  function closed(ws: Ws, code: number): void {
    const data = ws.getUserData();
    if (entering?.ws === ws) entering.ws = undefined;
    sends.forget(ws);
    admission.left(data.address);
    data.gone = true;
    if (data.session) options.onClose(data.session, code);
    data.session = undefined;
  }

  /**
   * A handler that throws would end the process: whatever happens is logged, and costs this client its connection.
   * @param corked uWebSockets.js sends all that the handler sends to the client in one piece
   */
  function guarded<A extends [Ws, ...unknown[]]>(handler: (...args: A) => void, corked = false): (...args: A) => void {
    return (...args) => {
      const [ws] = args;
      const before = sends.corked;
      if (corked) sends.corked = ws;
      try {
        handler(...args);
      } catch (error) {
        logger.error({ err: error }, 'handling a client failed');
        setImmediate(() => closeQuietly(ws));
      } finally {
        sends.corked = before;
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
      }, true),
      ping: guarded((ws: Ws) => ws.getUserData().session?.receivePing(), true),
      dropped: guarded(choked.add),
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
    addressOf: remoteAddress,
    forwardedFor,
    requestsOfAddress: options.requestsOfAddress,
    requestsOfUser: options.requestsOfUser,
    replays: options.replays,
    openings: options.openings,
    issueTicket: options.issueTicket,
    preferences: options.preferences,
    retryAfterSeconds: options.retryAfterSeconds,
    openStream: streams.open,
    onFailure: (error) => logger.error({ err: error }, 'answering a request failed'),
  });

  const listen = app.listen.bind(app) as unknown as ListenOnHost;

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        listen(options.host, options.port, EXCLUSIVE_PORT, (token) => {
          if (!token) {
            whyNotListening(options).then(reject, reject);
            return;
          }
          listening = token;
          resolve(us_socket_local_port(token));
        });
      }),
    publish(channel, frame) {
      sends.flush();
      choked.silence();
      app.publish(channel, frame, false);
      choked.cut();
      streams.publish(channel, frame);
    },
    stopAccepting() {
      admission.stop();
      if (listening) us_listen_socket_close(listening);
      listening = undefined;
    },
    close() {
      waitingRoom.close();
      app.close();
      listening = undefined;
    },
  };
}

/** uWebSockets.js says only that it cannot listen; node:net, asked the same, says why. */
async function whyNotListening({ host, port }: Pick<TransportOptions, 'host' | 'port'>): Promise<Error> {
  const probe = createServer();
  await listenAt(probe, { side: 'WEBSOCKET', host, port });
  probe.close();
  return new ConfigurationError(
    `WEBSOCKET_HOST=${JSON.stringify(host)} with WEBSOCKET_PORT=${port} could not be listened on; a moment later it could`,
  );
}
