/**
 * One subscriber of one channel: where it stands, what it has to ask of the gateway, and whether what arrives continues
 * what it has. Subscribers of a channel share its frames, but each judges for itself: one may join later, or with a
 * rewind, without the others noticing.
 */
import {
  comparePositions,
  type ErrorCode,
  type ErrorMessage,
  type EventMessage,
  formatPosition,
  type GatewayMessage,
  type Position,
  parsePosition,
  type Ref,
  type StateMessage,
  type SubscribedMessage,
} from '@belfry/shared/protocol';
import type { ChannelState, Gap, Handlers } from './api.js';
import { type Clock, createTimer } from './clock.js';
import { judge } from './continuity.js';
import { createDelivery } from './delivery.js';
import { BelfryError, type Report, wrap } from './errors.js';
import { errorOf } from './requests.js';

/** An answer that takes longer was lost: ask again. */
const ANSWER_MS = 10_000;
/** Holes in a row, without a clean replay between them, after which a snapshot is asked for instead. */
const HOLES = 3;
const RETRY_MS = 1_000;
/** A position that no log continues from: the gateway answers with the snapshot, and joins at it in the same step. */
const FROM_SNAPSHOT = '0-0';
/** What passes by itself. */
const RETRIED: readonly ErrorCode[] = ['unavailable', 'rate_limited', 'internal'];

const isNewer = (id: Position, known: Position | undefined): boolean => !known || comparePositions(id, known) > 0;

/** What a SUBSCRIBE asks for one channel. */
export interface Ask {
  readonly after?: string | undefined;
  readonly rewind?: number | undefined;
}

type Phase =
  /** To be asked for with the next frame. */
  | 'idle'
  | 'asked'
  /** SUBSCRIBED or RESYNC said that a STATE follows. */
  | 'state'
  | 'live'
  /** To be asked for again after a while. */
  | 'pausing'
  | 'refused';

export interface Subscription {
  readonly channel: string;
  /** The last position whose handler ran, or that was joined at. */
  readonly handled: string | undefined;
  /** Where it stands, when it is live and has nothing outstanding. */
  readonly standing: Position | undefined;
  /** How it wants to join now; undefined when it need not. */
  ask(): Ask | undefined;
  joinAsked(ref: Ref): void;
  /** Whether the channel's snapshot has to be asked for now. */
  readonly needsState: boolean;
  stateAsked(ref: Ref): void;
  /** @param id its position, where it has one */
  receive(message: GatewayMessage | EventMessage, id: Position | undefined): void;
  /** A snapshot that came over HTTP. */
  polled(state: ChannelState): void;
  /** Another connection: everything is asked again. With another token: only what was refused. */
  renew(onlyRefused?: boolean): void;
  dispose(): void;
}

export interface SubscriptionParts {
  readonly channel: string;
  readonly handlers: Handlers;
  /** The position kept from an earlier life of the page. */
  readonly stored: string | undefined;
  /** Where another subscriber of the channel stands: this one can listen from there on, without asking. */
  readonly beside: Position | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** There is something to ask. */
  readonly poke: () => void;
  /** The same, in a moment: others may have too. */
  readonly pokeSoon: () => void;
  /** `handled` has moved. */
  readonly moved: () => void;
  readonly report: Report;
  readonly gap: (gap: Gap) => void;
}

export function createSubscription(parts: SubscriptionParts): Subscription {
  const { channel, handlers, clock, random, poke, report } = parts;
  // A board sends the newest value of each key, at most one in an interval: positions skip, and rise per key only.
  const conflated = channel.startsWith('state:');
  const from = handlers.after ?? (handlers.rewind ? undefined : parts.stored);
  const beside = handlers.after || handlers.rewind ? undefined : parts.beside;

  let phase: Phase = beside ? 'live' : 'idle';
  /** The last event that arrived. */
  let at = beside ?? parsePosition(from);
  let handled = at && formatPosition(at);
  /** Every event behind this one has arrived or will. */
  let base = at;
  let joinRef: Ref | undefined;
  let stateRef: Ref | undefined;
  /** The replay that is under way. */
  let replay: { readonly end: Position; readonly count: number; readonly resumed: boolean } | undefined;
  let wantsState = !!handlers.onState;
  /** The position of the last snapshot that was handed over. */
  let stateAt: Position | undefined;
  let fromSnapshot = false;
  let holes = 0;
  const timer = createTimer(clock);

  const delivery = createDelivery(
    (id) => {
      handled = id;
      parts.moved();
    },
    (cause) => report(wrap('handler', cause, channel)),
  );
  // The snapshot comes first, and what it covers already is marked so.
  if (wantsState) delivery.hold();
  if (beside) arrived(formatPosition(beside), undefined);

  function askAgain(delayMs: number): void {
    if (phase !== 'live' || replay) phase = 'pausing';
    timer.start(delayMs, () => {
      if (phase === 'pausing') phase = 'idle';
      stateRef = replay = undefined;
      parts.pokeSoon();
    });
  }

  function settle(): void {
    if (phase === 'live' && !replay && !wantsState) timer.stop();
    else timer.start(ANSWER_MS, () => askAgain(0));
  }

  function gap(cause: Gap['cause'], id: string): void {
    const found: Gap = { channel, cause, after: at && formatPosition(at), id };
    parts.gap(found);
    delivery.push(undefined, () => handlers.onGap?.(found));
  }

  /** Now at `id`, with nothing before it outstanding. @param recovered undefined where nothing had to be */
  function arrived(id: string, recovered: boolean | undefined, count = 0): void {
    delivery.push(id, () => {
      if (recovered !== undefined) handlers.onRecovered?.({ channel, id, recovered, replay: count });
      handlers.onLive?.(id);
    });
  }

  function show(id: Position, message: ChannelState, moves: boolean): void {
    const run = (): unknown => {
      // Polled, and held up by its handler until a newer one had come. What Redis has lost may have had one, too.
      if (stateAt && isNewer(stateAt, id) && !moves) return;
      stateAt = id;
      return handlers.onState?.({ channel, id: message.id, events: message.events });
    };
    // A gap that this one is for is told first.
    delivery.push(moves ? message.id : undefined, run, wantsState && !moves);
    wantsState = false;
    delivery.release();
  }

  function refuse(error: BelfryError): void {
    phase = 'refused';
    timer.stop();
    delivery.release();
    delivery.push(undefined, () => handlers.onError?.(error));
    report(error);
  }

  function subscribed({ ref, id, recovered, replay: count }: SubscribedMessage, end: Position): void {
    if (phase !== 'asked' || ref !== joinRef) {
      // Another one, perhaps in another tab, had the channel started anew: what happened in between came to nobody.
      // What is being replayed goes on, or ends in a hole; in another epoch nothing would show that it did not.
      const behind = replay ? end.epoch > replay.end.epoch : at && isNewer(end, at);
      if (phase === 'live' && !conflated && behind) {
        phase = 'idle';
        replay = undefined;
        parts.pokeSoon();
      }
      return;
    }
    const resumed = !!at && !fromSnapshot;
    // A board is joined with its state, whatever was known of it.
    if (resumed && !recovered && !conflated) gap('history', id);
    base ??= end;
    fromSnapshot = false;
    if (recovered === false) phase = 'state';
    else {
      phase = 'live';
      if (count > 0) replay = { end, count, resumed };
      else {
        at = end;
        holes = 0;
        arrived(id, resumed ? !!recovered : undefined);
      }
    }
    settle();
  }

  function happened(event: EventMessage, id: Position): void {
    const verdict = conflated ? 'next' : judge(at, id);
    if (verdict === 'known') return;
    if (verdict === 'hole') {
      gap('hole', event.id);
      phase = 'pausing';
      fromSnapshot = ++holes > HOLES;
      return askAgain(holes > 1 && !fromSnapshot ? random() * RETRY_MS * 2 ** holes : 0);
    }
    if (!conflated || isNewer(id, at)) at = id;
    const replayed = !!replay;
    delivery.push(event.id, () => handlers.onEvent?.(event, { replayed, covered: !isNewer(id, stateAt) }));
    if (!replay) {
      holes = 0;
      return;
    }
    if (!isNewer(replay.end, id)) {
      arrived(event.id, replay.resumed || undefined, replay.count);
      replay = undefined;
      holes = 0;
    }
    settle();
  }

  function stated(message: StateMessage, id: Position): void {
    if (message.ref !== undefined) {
      if (message.ref !== stateRef || !wantsState) return;
      // Read before we joined: what happened in between would be in neither.
      if (phase !== 'live' || (base && isNewer(base, id))) return askAgain(RETRY_MS * random());
      show(id, message, false);
    } else {
      // A board that another one had started anew skips, and its state says what was skipped.
      if (phase !== 'state' && !(conflated && phase === 'live' && at && !isNewer(at, id))) return;
      const resumed = !!at;
      at = base = id;
      phase = 'live';
      holes = 0;
      show(id, message, true);
      arrived(message.id, resumed && !conflated ? false : undefined);
    }
    settle();
  }

  function refused(message: ErrorMessage): void {
    const { code, retry_after_ms: after } = message;
    if (RETRIED.includes(code)) askAgain((Number(after) || RETRY_MS) + random() * RETRY_MS);
    else refuse(errorOf(message));
  }

  return {
    channel,
    get handled() {
      return handled;
    },
    get standing() {
      return phase === 'live' && !replay ? at : undefined;
    },
    ask: () => {
      if (phase !== 'idle') return undefined;
      if (fromSnapshot) return { after: FROM_SNAPSHOT };
      return at ? { after: formatPosition(at) } : { rewind: handlers.rewind };
    },
    joinAsked: (ref) => {
      phase = 'asked';
      joinRef = ref;
      // Again, where a refusal let go of it.
      if (wantsState) delivery.hold();
      settle();
    },
    get needsState() {
      // A board is joined with its state.
      return wantsState && stateRef === undefined && (phase === 'live' || (phase === 'asked' && !conflated));
    },
    stateAsked: (ref) => {
      stateRef = ref;
      settle();
    },
    receive: (frame, id) => {
      // Everything that is no message of the protocol's own is an event.
      const message = frame as GatewayMessage;
      switch (message.type) {
        case 'SUBSCRIBED':
          if (id) subscribed(message, id);
          break;
        case 'STATE':
          if (id) stated(message, id);
          break;
        case 'RESYNC':
          if (phase !== 'live') break;
          gap('resync', message.id);
          phase = 'state';
          replay = undefined;
          settle();
          break;
        case 'UNSUBSCRIBED':
          // With a reason: the gateway took the channel away.
          if (message.reason && phase === 'live') {
            refuse(new BelfryError('unsubscribed', message.reason, { channel }));
          }
          break;
        case 'ERROR':
          if (message.ref === (phase === 'asked' ? joinRef : stateRef)) refused(message);
          // Another one, perhaps in another tab, asked in vain: older gateways let go of the channel for that.
          else if (phase === 'live' && message.channel === channel && message.code === 'unavailable') {
            phase = 'pausing';
            refused(message);
          }
          break;
        default:
          if (id && phase === 'live') happened(frame as EventMessage, id);
      }
    },
    polled: (state) => {
      const id = parsePosition(state.id);
      // Who asked for the last events still has to begin with those, and with a snapshot that is not behind them.
      const { onState, rewind } = handlers;
      if (!id || phase === 'live' || (rewind && !onState)) return;
      // Who has a position keeps it while polling: the events behind it are replayed once there is a connection.
      if (!stateAt || (isNewer(id, stateAt) && isNewer(id, at))) show(id, state, !at && !rewind);
      // Joined where the snapshot may not be: asked for again, from there.
      if (phase === 'asked' && !at) askAgain(0);
      if (rewind && !at) wantsState = true;
      else at ??= base ??= id;
    },
    renew: (onlyRefused) => {
      if (onlyRefused && phase !== 'refused') return;
      timer.stop();
      phase = 'idle';
      stateRef = replay = undefined;
      poke();
    },
    dispose: () => {
      phase = 'refused';
      timer.stop();
      delivery.end();
    },
  };
}
