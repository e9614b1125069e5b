/** The commands that concern channels, and GET_STATUS: what each does for the session that sent it. */
import { authorise, type Identity } from '@belfry/shared/auth';
import type { ErrorCode, GatewayMessage, ParsedChannel, Ref } from '@belfry/shared/protocol';
import { stateFrame, unsubscribedFrame } from '../channels/frames.js';
import type { Frame } from '../channels/subscriber.js';
import type { ClientFrame, NamedChannel } from './client-frame.js';
import type { SessionContext } from './context.js';
import type { JoinOptions, Subscriptions } from './subscriptions.js';

export interface ErrorDetails {
  readonly ref?: Ref | undefined;
  readonly channel?: string;
  readonly retry_after_ms?: number;
}

/** What a command may do with its session. */
export interface CommandSession {
  readonly id: string;
  readonly connectedAtMs: number;
  readonly identity: Identity | undefined;
  readonly context: SessionContext;
  readonly subscriptions: Subscriptions;
  readonly isOpen: boolean;
  /** Its client cannot ask again for what it cannot have at once. */
  readonly asksOnce: boolean;
  send(message: GatewayMessage): void;
  sendFrame(frame: Frame): void;
  error(code: ErrorCode, message: string, details?: ErrorDetails): void;
}

type SubscribeFrame = Extract<ClientFrame, { type: 'SUBSCRIBE' }>;
/** UNSUBSCRIBE and GET_STATE say nothing but channels. */
type ChannelsFrame = Pick<SubscribeFrame, 'channels' | 'ref'>;

export const withRef = (ref: Ref | undefined): { ref?: Ref } => (ref === undefined ? {} : { ref });

/** Calls `done` after the returned function has been called `count` times. */
function countdown(count: number, done: () => void): () => void {
  let open = count;
  return () => {
    open -= 1;
    if (open === 0) done();
  };
}

/** One SUBSCRIBED or ERROR per channel; `done` once each has its answer. */
export function subscribe(session: CommandSession, identity: Identity, frame: SubscribeFrame, done: () => void): void {
  const { context, subscriptions } = session;
  const { ref, rewind } = frame;
  const answered = countdown(frame.channels.length, done);
  const options: JoinOptions = {
    rewind,
    ref,
    announced: 'always',
    patient: false,
    onCost: (events) => context.replays.charge(identity.userId, events),
    onOutcome: (outcome, name) => {
      if (outcome === 'joined') context.metrics.sent('SUBSCRIBED');
      if (outcome === 'unavailable') {
        unavailable(session, name, ref);
        if (session.asksOnce) joinLater(session, identity, frame.channels.filter(isNamed(name)), options, 0);
      }
      answered();
    },
  };
  const over: NamedChannel[] = [];
  let retryAfterMs = 0;
  const joinOrTell = (named: NamedChannel): void => {
    const waitMs = join(session, identity, named, options);
    if (waitMs === 0) return;
    limited(session, named.parsed?.channel ?? named.given, ref, waitMs);
    over.push(named);
    retryAfterMs = waitMs;
    options.onOutcome('withdrawn', named.given);
  };
  if (frame.channels.length === 1) joinOrTell(frame.channels[0] as NamedChannel);
  else subscriptions.joinMany(() => frame.channels.forEach(joinOrTell));
  if (session.asksOnce && over.length > 0) joinLater(session, identity, over, options, retryAfterMs);
}

const isNamed =
  (name: string) =>
  ({ parsed }: NamedChannel): boolean =>
    parsed?.channel === name;

/**
 * Joins what could not be had when it was asked for, as soon as it can be, from the position that was asked for: until then
 * nothing of it comes. The client was told why; one after the other, as the user's budget has room for them.
 */
function joinLater(
  session: CommandSession,
  identity: Identity,
  channels: readonly NamedChannel[],
  options: JoinOptions,
  waitMs: number,
): void {
  const { context } = session;
  const onOutcome: JoinOptions['onOutcome'] = (outcome) => {
    if (outcome === 'joined') context.metrics.sent('SUBSCRIBED');
  };
  const patient: JoinOptions = { ...options, patient: true, onOutcome };
  context.clock.after(waitMs, () => {
    for (const [n, named] of channels.entries()) {
      if (!session.isOpen) return;
      const nextMs = join(session, identity, named, patient);
      if (nextMs > 0) return joinLater(session, identity, channels.slice(n), options, nextMs);
    }
  });
}

/** Returns the milliseconds until the user may have the channel, where there is no room for it in a budget; otherwise 0. */
function join(session: CommandSession, identity: Identity, named: NamedChannel, options: JoinOptions): number {
  const { context, subscriptions } = session;
  const { ref, rewind } = options;
  const channel = readable(session, identity, named, ref);
  if (!channel) {
    options.onOutcome('withdrawn', named.given);
    return 0;
  }
  const name = channel.channel;
  if (subscriptions.size >= context.maxSubscriptions && !subscriptions.has(name)) {
    const message = `a connection may hold ${context.maxSubscriptions} channels`;
    session.error('too_many_subscriptions', message, { ref, channel: name });
    options.onOutcome('withdrawn', name);
    return 0;
  }
  const present = context.hub.channels.get(name);
  if (present && named.after === undefined && rewind === undefined && ref === undefined) {
    if (subscriptions.joinFresh(present, true)) {
      options.onOutcome('joined', name);
      return 0;
    }
  }
  const replay = named.after !== undefined || rewind !== undefined;
  const waitMs = overBudget(context, identity, present !== undefined, replay);
  if (waitMs === 0) subscriptions.join(name, named.after, context, present, options);
  return waitMs;
}

/** Milliseconds until the user may have this channel; 0 for now. What a replay costs is known, and charged, once it was read. */
function overBudget(context: SessionContext, { userId }: Identity, present: boolean, replay: boolean): number {
  const opening = present ? 0 : context.openings.take(userId);
  return Math.max(opening, replay ? context.replays.take(userId, 0) : 0);
}

export function unsubscribe(session: CommandSession, frame: ChannelsFrame, done: () => void): void {
  for (const { given, parsed } of frame.channels) {
    if (!parsed) {
      badChannel(session, given, frame.ref);
      continue;
    }
    session.subscriptions.leave(parsed.channel);
    session.sendFrame(unsubscribedFrame(parsed.channel, frame.ref));
    session.context.metrics.sent('UNSUBSCRIBED');
  }
  done();
}

/** One STATE or ERROR per channel; `done` once each has its answer. */
export function getState(session: CommandSession, identity: Identity, frame: ChannelsFrame, done: () => void): void {
  const { ref } = frame;
  const answered = countdown(frame.channels.length, done);
  for (const named of frame.channels) {
    const channel = readable(session, identity, named, ref);
    if (!channel) {
      answered();
      continue;
    }
    const retry_after_ms = overBudget(
      session.context,
      identity,
      session.context.hub.channels.has(channel.channel),
      false,
    );
    if (retry_after_ms > 0) {
      limited(session, channel.channel, ref, retry_after_ms);
      answered();
      continue;
    }
    const { hub } = session.context;
    const follows = session.subscriptions.has(channel.channel);
    const reading = follows ? hub.stateForFollower(channel.channel) : hub.state(channel.channel);
    reading
      .then(
        ({ position, snapshot }) => {
          session.sendFrame(stateFrame(channel.channel, position, snapshot ?? [], ref));
          session.context.metrics.sent('STATE');
        },
        () => unavailable(session, channel.channel, ref),
      )
      .finally(answered);
  }
}

export function getStatus(session: CommandSession, ref: Ref | undefined): void {
  const { context, identity } = session;
  session.send({
    type: 'STATUS',
    connection_id: session.id,
    authenticated: identity !== undefined,
    subscriptions: session.subscriptions.names(),
    connected_at: session.connectedAtMs / 1000,
    uptime: (context.clock.now() - session.connectedAtMs) / 1000,
    ...(identity ? { user_id: identity.userId, expires_at: identity.expiresAt } : {}),
    ...(identity?.role ? { role: identity.role } : {}),
    node: context.node,
    ...withRef(ref),
  });
}

/** The channel, when it is one and the client may read it; otherwise the client is told why not. */
function readable(
  session: CommandSession,
  identity: Identity,
  { given, parsed }: NamedChannel,
  ref: Ref | undefined,
): ParsedChannel | undefined {
  if (!parsed) {
    badChannel(session, given, ref);
    return undefined;
  }
  if (authorise(identity, 'read', parsed, session.context.accessPolicy)) return parsed;
  session.error('forbidden', 'the token does not allow this channel', { ref, channel: parsed.channel });
  return undefined;
}

function badChannel(session: CommandSession, given: string, ref: Ref | undefined): void {
  const message = 'channels are named kind:id, ids are 1 to 64 letters, digits, "_" or "-"';
  session.error('bad_channel', message, { ref, channel: given.slice(0, 80) });
}

function limited(session: CommandSession, channel: string, ref: Ref | undefined, retryAfterMs: number): void {
  session.context.metrics.rateLimited();
  session.error('rate_limited', 'Rate limit exceeded', { ref, channel, retry_after_ms: retryAfterMs });
}

function unavailable(session: CommandSession, channel: string, ref: Ref | undefined): void {
  const retry_after_ms = session.context.retryAfterMs();
  session.error('unavailable', 'the log cannot be read at the moment', { ref, channel, retry_after_ms });
}
