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
      if (outcome === 'unavailable') unavailable(session, name, ref);
      answered();
    },
  };
  if (frame.channels.length === 1) return join(session, identity, frame.channels[0] as NamedChannel, options);
  subscriptions.joinMany(() => {
    for (const named of frame.channels) join(session, identity, named, options);
  });
}

function join(session: CommandSession, identity: Identity, named: NamedChannel, options: JoinOptions): void {
  const { context, subscriptions } = session;
  const { ref, rewind } = options;
  const channel = readable(session, identity, named, ref);
  if (!channel) return options.onOutcome('withdrawn', named.given);
  const name = channel.channel;
  if (subscriptions.size >= context.maxSubscriptions && !subscriptions.has(name)) {
    const message = `a connection may hold ${context.maxSubscriptions} channels`;
    session.error('too_many_subscriptions', message, { ref, channel: name });
    return options.onOutcome('withdrawn', name);
  }
  const present = context.hub.channels.get(name);
  if (present && named.after === undefined && rewind === undefined && ref === undefined) {
    if (subscriptions.joinFresh(present, true)) return options.onOutcome('joined', name);
  }
  const replay = named.after !== undefined || rewind !== undefined;
  const retry_after_ms = overBudget(context, identity, present !== undefined, replay);
  if (retry_after_ms > 0) {
    limited(session, name, ref, retry_after_ms);
    return options.onOutcome('withdrawn', name);
  }
  subscriptions.join(name, named.after, context, present, options);
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
