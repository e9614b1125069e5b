/**
 * Who the client is: what a token that was shown is good for, and what follows from it for the channels of its session.
 * A newer token may be shown at any time; a narrower one takes effect at once.
 */
import { authorise, type Identity, type Verification } from '@belfry/shared/auth';
import { CLOSE_CODES, type CloseCode, type JoinKind, type ParsedChannel, parseChannel } from '@belfry/shared/protocol';
import { unsubscribedFrame } from '../channels/frames.js';
import { type AutomaticChannels, automaticChannels } from './automatic-channels.js';
import type { ClientFrame } from './client-frame.js';
import type { CommandSession } from './commands.js';
import { EXPIRY_NOTICE_MS, watchExpiry } from './expiry.js';
import type { JoinOptions } from './subscriptions.js';

/** Wrong tokens after which a connection is closed instead of being told once more. */
export const MAX_WRONG_TOKENS = 3;
/** While Redis is away it waits: the client was promised these channels. */
const UNASKED: JoinOptions = {
  rewind: undefined,
  ref: undefined,
  announced: 'late',
  patient: true,
  onCost: undefined,
  onOutcome: () => undefined,
};
const UNASKED_AND_TOLD: JoinOptions = { ...UNASKED, announced: 'always' };

type AuthenticateFrame = Extract<ClientFrame, { type: 'AUTHENTICATE' }>;

/** What a token changes of a session. */
export interface TokenSession extends CommandSession {
  /** In a row. */
  wrongTokens: number;
  /** Set once the end of the token is near. */
  cancelExpiry: (() => void) | undefined;
  /** Which kinds of channels it joined unasked when it last showed a token; undefined for all that are set. */
  joinKinds: readonly JoinKind[] | undefined;
  /** Whether it is about to ask for the channel itself. */
  asksFor(channel: string): boolean;
  /** From here on it acts for `identity`. */
  actFor(identity: Identity): void;
  end(close: CloseCode): void;
}

/** Checks a token and answers it; `done` once that has happened. */
export function authenticate(session: TokenSession, frame: AuthenticateFrame, done: () => void): void {
  const verification = session.context.verify(frame.token);
  if (!(verification instanceof Promise)) {
    verified(session, verification, frame);
    return done();
  }
  verification.then((result) => {
    if (session.isOpen) verified(session, result, frame);
    done();
  });
}

function verified(session: TokenSession, verification: Verification, frame: AuthenticateFrame): void {
  const { context } = session;
  const { ref } = frame;
  if (!verification.ok) {
    context.metrics.authenticated(verification.code);
    if (verification.code === 'unavailable') {
      const retry_after_ms = context.retryAfterMs();
      return session.error('unavailable', verification.message, { ref, retry_after_ms });
    }
    session.error(verification.code, verification.message, { ref });
    session.wrongTokens += 1;
    const close = verification.code === 'token_expired' ? CLOSE_CODES.tokenExpired : CLOSE_CODES.tokenInvalid;
    if (session.wrongTokens >= MAX_WRONG_TOKENS) session.end(close);
    return;
  }
  const { identity } = verification;
  if (context.isRevoked(identity)) {
    // It was revoked after its check, and before this session could be found among the user's.
    context.metrics.authenticated('token_invalid');
    session.end(CLOSE_CODES.tokenRevoked);
    return;
  }
  const before = session.identity;
  if (before && before.userId !== identity.userId) {
    session.error('forbidden', 'a connection belongs to one user; open another one', { ref });
    return;
  }
  if (!before && !context.admit(identity.userId)) {
    session.end(CLOSE_CODES.tooManyConnections);
    return;
  }
  context.authenticated(session);
  context.metrics.authenticated('ok');
  accept(session, identity, before, frame);
}

/** @param before whom the session acted for until now */
function accept(
  session: TokenSession,
  identity: Identity,
  before: Identity | undefined,
  { join, ref }: AuthenticateFrame,
): void {
  const { accessPolicy, automaticJoins, clock, maxSubscriptions } = session.context;
  const automatic = (who: Identity, kinds: readonly JoinKind[] | undefined): AutomaticChannels =>
    automaticChannels(who, automaticJoins, kinds, accessPolicy, maxSubscriptions);
  session.actFor(identity);
  session.wrongTokens = 0;
  const kindsBefore = session.joinKinds;
  session.joinKinds = join;
  const { channels, notJoined } = automatic(identity, join);
  session.send({
    type: 'AUTHENTICATED',
    user_id: identity.userId,
    // What is undefined is not sent.
    role: identity.role || undefined,
    expires_at: identity.expiresAt,
    channels: channels.map(({ channel }) => channel),
    not_joined: notJoined > 0 ? notJoined : undefined,
    ref,
  });
  session.cancelExpiry?.();
  session.cancelExpiry = undefined;
  mindExpiry(session, clock.now());
  if (!before) return joinAllUnasked(session, channels);
  leaveForbidden(session, identity);
  // What the client follows already it must not join anew: it would miss what comes in between, and not be told.
  const already = automatic(before, kindsBefore).channels;
  const followed = new Set([...already.map(({ channel }) => channel), ...session.subscriptions.wanted()]);
  const fresh = channels.filter(({ channel }) => !followed.has(channel));
  joinAllUnasked(session, fresh);
}

/** Most clients have two or three, for which lists that grow by one are cheaper. */
const MANY = 8;

function joinAllUnasked(session: TokenSession, channels: readonly ParsedChannel[]): void {
  const joins = (): void => {
    for (const parsed of channels) joinUnasked(session, parsed);
  };
  if (channels.length < MANY) joins();
  else session.subscriptions.joinMany(joins);
}

/** Called once per heartbeat. Timers are set only once the end is near: ten thousand tokens that last for hours need none. */
export function mindExpiry(session: TokenSession, now: number): void {
  const { context, identity } = session;
  if (!identity || session.cancelExpiry) return;
  const expiresAtMs = identity.expiresAt * 1000;
  if (expiresAtMs - now > EXPIRY_NOTICE_MS + 2 * context.heartbeatMs) return;
  session.cancelExpiry = watchExpiry(context.clock, expiresAtMs, {
    onNotice: () => session.send({ type: 'TOKEN_EXPIRING', expires_at: expiresAtMs / 1000 }),
    onExpired: () => session.end(CLOSE_CODES.tokenExpired),
  });
}

function joinUnasked(session: TokenSession, parsed: ParsedChannel): void {
  const { asksOnce, context, subscriptions } = session;
  // Joined at its end, it would pass over what was missed if it cannot be joined behind that yet.
  if (session.asksFor(parsed.channel)) return;
  const present = context.hub.channels.get(parsed.channel);
  if (present && subscriptions.joinFresh(present, asksOnce)) return;
  subscriptions.join(parsed.channel, undefined, context, present, asksOnce ? UNASKED_AND_TOLD : UNASKED);
}

/** A narrower token takes effect at once, also on what is still being waited for. */
function leaveForbidden(session: TokenSession, identity: Identity): void {
  for (const name of session.subscriptions.wanted()) {
    const channel = parseChannel(name);
    if (channel && authorise(identity, 'read', channel, session.context.accessPolicy)) continue;
    session.subscriptions.leave(name);
    session.sendFrame(unsubscribedFrame(name, undefined, 'forbidden'));
    session.context.metrics.sent('UNSUBSCRIBED');
  }
}
