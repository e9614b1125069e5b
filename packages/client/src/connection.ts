/**
 * What the places of the machine do: fetch the token, open the transport, log in, listen for silence, wait. Knows nothing
 * of channels: it says when there is somebody to send to, and hands on what arrives.
 */
import {
  afterClose,
  type ClientMessage,
  type EventMessage,
  type GatewayMessage,
  type ReconnectAdvice,
} from '@belfry/shared/protocol';
import type { ClientOptions, ConnectionState, StatusReason, User } from './api.js';
import { backoff } from './backoff.js';
import { type Clock, createTimer, type Disposer } from './clock.js';
import type { Emitter } from './emitter.js';
import { BelfryError, wrap } from './errors.js';
import { createLogin } from './login.js';
import { createMachine, type Entries, statusOf } from './machine.js';
import { errorOf } from './requests.js';
import type { Share, ShareEvents } from './share.js';
import { createSilence } from './silence.js';
import type { Tokens } from './tokens.js';
import type { OpenTransport, Transport } from './transport.js';

/** How long a connection must hold before the failures before it are forgotten: some accept, and drop at once. */
const STABLE_MS = 10_000;
/** For the answer to a PING. */
const ANSWER_MS = 5_000;
/** How far attempts that the page's events bring forward are spread: a network that comes back does so for many. */
const HURRY_MS = 500;

export interface Connection {
  /** All of the client's state but the data mode, which is not the connection's alone. */
  readonly state: Omit<ConnectionState, 'mode'>;
  readonly user: User | undefined;
  /** Neither connected nor resting. */
  readonly trying: boolean;
  connect(): void;
  close(): void;
  suspend(): void;
  resume(): void;
  /** Asks the gateway for a sign of life. */
  doubt(): void;
  /** If waiting: tries now. */
  retry(): void;
  /** If waiting: tries in a moment, unless the server asked for a longer delay. */
  hurry(): void;
}

export interface ConnectionParts {
  readonly options: Pick<ClientOptions, 'maxAttempts' | 'connectTimeoutMs' | 'silenceMs'>;
  readonly urls: readonly string[];
  readonly clock: Clock;
  readonly random: () => number;
  readonly tokens: Tokens;
  readonly emitter: Emitter;
  readonly transport: () => Promise<OpenTransport>;
  /** Undefined where every tab has a connection of its own. */
  readonly share: ((events: ShareEvents) => Promise<Share>) | undefined;
  readonly follower: Pick<ShareEvents, 'send' | 'gone'>;
  /** From now on frames can be sent, until `down`. */
  readonly up: (send: (message: ClientMessage) => void) => void;
  readonly down: () => void;
  readonly receive: (message: GatewayMessage | EventMessage) => void;
  readonly changed: () => void;
  /** The gateway has accepted another token on the same connection. */
  readonly renewed: () => void;
}

export function createConnection(parts: ConnectionParts): Connection {
  const { urls, clock, random, tokens, up, down, receive, changed } = parts;
  const { emit, report } = parts.emitter;
  const { maxAttempts, connectTimeoutMs = 10_000 } = parts.options;
  const silence = createSilence(clock, parts.options.silenceMs);

  let open: OpenTransport | undefined;
  let transport: Transport | undefined;
  let share: Share | undefined;
  let loading = false;
  const stable = createTimer(clock);
  const waited = createTimer(clock);
  /** The gateway has accepted this connection, with these frames. */
  let accepted = false;
  let greeting: string[] = [];
  let advice: ReconnectAdvice | undefined;
  let serverDelay: number | undefined;

  let before = false;
  let urlIndex = 0;
  let failures = 0;
  let retryAt: number | undefined;
  let reason: StatusReason | undefined;

  function send(message: ClientMessage): void {
    const shown = message.type === 'AUTHENTICATE' ? { ...message, token: '…' } : message;
    emit('frame', { direction: 'out', text: JSON.stringify(shown) });
    transport?.send(message);
  }

  /** @param after how long the server wants us to stay away */
  function fail(code: string | number, message: string, after?: number): void {
    reason = { code, message };
    // Refused, or accepted and dropped again: perhaps the next address does better.
    if (transport && (!accepted || failures > 0)) urlIndex++;
    retryAt = clock.now() + backoff(failures, advice, random, after);
    failures++;
    machine.send(maxAttempts !== undefined && failures >= maxAttempts ? 'refused' : 'dropped');
  }

  function refuse(code: string | number, message: string): void {
    reason = { code, message };
    machine.send('refused');
  }

  function closed(code: number, text: string): void {
    const after = afterClose(code);
    if (after === 'stop') {
      share?.stop(code, text);
      return refuse(code, text);
    }
    if (after === 'new_token') {
      tokens.refused();
      serverDelay = 0;
    }
    // A gateway that said when to come back means it, whatever the code.
    fail(code, text, serverDelay);
  }

  function received(text: string | undefined): void {
    silence.heard();
    let message: GatewayMessage | undefined;
    try {
      message = text === undefined ? undefined : JSON.parse(text);
    } catch (cause) {
      return report(wrap('bad_frame', cause));
    }
    if (text === undefined || typeof message?.type !== 'string') {
      return report(new BelfryError('bad_frame', 'no JSON object with a type'));
    }
    emit('frame', { direction: 'in', text });
    share?.relay(text);
    // The first field of an event, and of nothing else, is its position.
    if (text.startsWith('{"id"')) emit('event', message as unknown as EventMessage);
    machine.send('frame');
    handle(message, text);
  }

  function handle(message: GatewayMessage, text: string): void {
    switch (message.type) {
      case 'WELCOME':
        advice = message.reconnect;
        greeting = [text];
        login.welcomed(message);
        silence.heartbeat(message.heartbeat_interval);
        machine.send('welcome');
        break;
      case 'PING':
        if (transport) send({ type: 'PONG' });
        break;
      case 'GOING_AWAY':
        serverDelay = message.reconnect_after_ms;
        break;
      default:
        if (message.type === 'AUTHENTICATED') greeting[1] = text;
        if (login.receive(message, !!transport)) break;
        if (message.type === 'ERROR' && message.ref === undefined) {
          // The longest that was asked for: an ERROR need not say that it is behind a GOING_AWAY.
          serverDelay = Math.max(serverDelay ?? 0, message.retry_after_ms ?? 0) || undefined;
          report(errorOf(message));
        }
        receive(message);
    }
  }

  const signedOut = (): void => refuse('token', 'getToken returned no token');
  const login = createLogin({
    clock,
    tokens,
    emitter: parts.emitter,
    send,
    signedOut,
    accepted: () => {
      const again = isConnected();
      machine.send('accepted');
      if (again) parts.renewed();
    },
    rejected: ({ code, message, retry_after_ms = 0 }) => {
      // Another user's token needs another connection.
      const useless = machine.place === 'open.login' || code === 'forbidden';
      if (useless) fail(code, message, retry_after_ms);
      return useless;
    },
  });

  /** Loads what sharing takes when it is first needed; a page that cannot load it has a connection of its own. */
  function elect(load: (events: ShareEvents) => Promise<Share>): void {
    // Once, also for a tab that was suspended meanwhile: two would wait for each other.
    if (share || loading) return share?.elect();
    loading = true;
    load({
      ...parts.follower,
      lead: () => machine.send('lead'),
      follow: (frames) => {
        serverDelay = undefined;
        for (const frame of frames) received(frame);
        machine.send('follow');
      },
      frame: received,
      down: () => fail('transport', 'the leading tab left', serverDelay ?? 0),
      stop: refuse,
      failed: noToken,
      hint: hurry,
    }).then(
      (loaded) => {
        share = loaded;
        if (machine.place === 'electing') share.elect();
      },
      (cause: unknown) => {
        loading = false;
        report(wrap('transport', cause));
        machine.send('lead');
      },
    );
  }

  function noToken(cause: unknown): void {
    report(wrap('token', cause));
    fail('token', 'no token');
  }

  function hurry(): void {
    const ms = random() * HURRY_MS;
    if (machine.place === 'waiting' && serverDelay === undefined && clock.now() + ms < (retryAt ?? 0)) {
      waited.start(ms, due);
    }
  }

  const deadline = (ms: number, what: string): Disposer => clock.after(ms, () => fail('transport', what));

  const steady = (): void =>
    stable.start(STABLE_MS, () => {
      failures = 0;
      changed();
    });

  const due = (): void => machine.send('due');
  const nothing = (): undefined => undefined;
  const entries: Entries = {
    idle: nothing,
    electing: () => {
      retryAt = undefined;
      if (parts.share) elect(parts.share);
      else machine.send('lead');
      return undefined;
    },
    open: () => () => {
      login.end();
      stable.stop();
      down();
      transport?.close();
      transport = undefined;
      accepted = false;
      share?.leave();
    },
    'open.authorizing': () => {
      let left = false;
      const prepared = parts.transport().then((transport) => {
        open = transport;
        return login.fetch();
      });
      prepared.then(
        (token) => {
          if (left) return;
          if (token === null) signedOut();
          else machine.send('token');
        },
        (cause) => !left && noToken(cause),
      );
      const stop = deadline(connectTimeoutMs, 'no token');
      return () => {
        left = true;
        stop();
      };
    },
    'open.greeting': () => {
      serverDelay = undefined;
      try {
        const url = urls[urlIndex % urls.length] as string;
        transport = open?.(url, login.token ?? undefined, { frame: received, closed });
      } catch (cause) {
        report(wrap('transport', cause));
        fail('transport', 'not opened');
      }
      return deadline(connectTimeoutMs, 'no WELCOME');
    },
    'open.login': () => {
      if (login.token) login.authenticate();
      else machine.send('accepted');
      // The gateway handles frames in order, so what follows need not wait for AUTHENTICATED.
      up(send);
      return deadline(connectTimeoutMs, 'no AUTHENTICATED');
    },
    'open.ready': () => {
      if (!accepted) {
        accepted = true;
        share?.up(greeting);
        steady();
      }
      return silence.watch(() => machine.send('silence'));
    },
    'open.doubt': () => {
      send({ type: 'PING' });
      return deadline(ANSWER_MS, 'no sign of life');
    },
    following: () => {
      up((message) => share?.send(message));
      steady();
      const stop = silence.watch(() => fail('transport', 'no sign of life'));
      return () => {
        stop();
        stable.stop();
        down();
        share?.leave();
      };
    },
    waiting: () => {
      waited.start((retryAt ?? 0) - clock.now(), due);
      return waited.stop;
    },
    suspended: () => {
      share?.close();
      return undefined;
    },
    closed: () => {
      retryAt = undefined;
      share?.close();
      return undefined;
    },
  };

  const machine = createMachine(entries, () => {
    if (isConnected()) {
      before = true;
      reason = undefined;
    }
    changed();
  });

  const isConnected = (): boolean => statusOf(machine.place, before) === 'connected';

  return {
    get state() {
      return { status: statusOf(machine.place, before), attempt: failures, retryAt, reason };
    },
    get user() {
      return login.user;
    },
    get trying() {
      return machine.place !== 'suspended' && /ing$/.test(statusOf(machine.place, before));
    },
    connect: () => {
      if (machine.place === 'closed') {
        before = false;
        failures = 0;
      }
      machine.send('connect');
    },
    close: () => {
      reason = undefined;
      machine.send('close');
    },
    suspend: () => machine.send('suspend'),
    resume: () => machine.send('resume'),
    doubt: () => {
      if (silence.doubtful) machine.send('silence');
    },
    retry: due,
    hurry,
  };
}
