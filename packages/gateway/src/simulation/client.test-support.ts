/**
 * A client that does exactly what the protocol says, keeps the position of what it has handled in each channel, and
 * checks everything it is shown against the model.
 */
import type { SeededRandom, VirtualClock } from '@belfry/shared/log/memory';
import { afterClose, comparePositions, type Position, parsePosition } from '@belfry/shared/protocol';
import type { Model } from './model.test-support.js';
import type { ClientEnd, Wire } from './wire.test-support.js';

export interface ClientOptions {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly model: Model;
  /** Connects to some gateway; undefined when none can be reached. */
  readonly connect: (end: ClientEnd) => Wire | undefined;
  /** As from the place that issues tokens: like the one given, and good for a while. */
  readonly renew: (token: string) => string;
  readonly trace: (text: string) => void;
}

interface Following {
  /** What was handled last; undefined until the channel says where it stands. */
  position: string | undefined;
  state: 'subscribing' | 'replaying' | 'awaiting state' | 'live';
  /** What the SUBSCRIBE under way asked for. */
  asked: { readonly after: string | undefined; readonly rewind: number | undefined; readonly ref: number };
  /** Events that are still to come of a replay, and where it ends. */
  replay: { left: number; readonly end: string } | undefined;
  /** Position that the STATE to come has to have. */
  expectedState: string | undefined;
  /** The last frame of each key; undefined while it cannot be known. */
  view: Map<string, string> | undefined;
}

export interface Totals {
  events: number;
  recovered: number;
  notRecovered: number;
  resyncs: number;
  states: number;
  closes: number;
}

interface Frame {
  readonly type: string;
  readonly channel: string;
  readonly id: string;
  readonly [field: string]: unknown;
}

export class SimulatedClient {
  readonly totals: Totals = { events: 0, recovered: 0, notRecovered: 0, resyncs: 0, states: 0, closes: 0 };
  /** Channels that the client wants, whether or not it is connected. */
  readonly following = new Map<string, Following>();
  token: string;
  wire: Wire | undefined;
  readonly #options: ClientOptions;
  #failures = 0;
  #ref = 0;

  constructor(options: ClientOptions, token: string) {
    this.#options = options;
    this.token = token;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Sends all first frames at once, as clients may. */
  connect(): void {
    if (this.wire?.open) return;
    const { connect } = this.#options;
    this.wire = connect({ onFrame: (text) => this.#frame(text), onClose: (code) => this.#closed(code) });
    if (!this.wire) return this.#reconnectLater(1006);
    this.authenticate(this.token);
    for (const channel of this.following.keys()) this.#subscribe(channel, undefined);
  }

  authenticate(token: string): void {
    this.token = token;
    this.#send({ type: 'AUTHENTICATE', token });
  }

  /** @param rewind only where the client has no position */
  subscribe(channel: string, rewind?: number): void {
    const known = this.following.get(channel);
    if (known?.state === 'subscribing') return;
    if (!known) this.following.set(channel, notYet());
    if (this.wire?.open) this.#subscribe(channel, rewind);
  }

  unsubscribe(channel: string): void {
    if (this.following.delete(channel)) this.#send({ type: 'UNSUBSCRIBE', channel });
  }

  askForState(channel: string): void {
    this.#send({ type: 'GET_STATE', channel, ref: 'asked' });
  }

  send(frame: object): void {
    this.#send(frame);
  }

  #subscribe(channel: string, rewind: number | undefined): void {
    const following = this.following.get(channel) as Following;
    const after = following.position;
    following.state = 'subscribing';
    this.#ref += 1;
    following.asked = { after, rewind: after === undefined ? rewind : undefined, ref: this.#ref };
    this.#send({ type: 'SUBSCRIBE', channel, ...following.asked });
  }

  #send(frame: object): void {
    if (this.wire?.open) this.wire.send(JSON.stringify(frame));
  }

  #wrong(text: string): void {
    this.#options.model.violation(`${this.name}: ${text}`);
  }

  #closed(code: number): void {
    this.totals.closes += 1;
    this.#options.trace(`${this.name} was closed with ${code}`);
    // A replay or a STATE that was cut off: what came of it was handled, the rest is asked for again.
    for (const following of this.following.values()) following.replay = undefined;
    this.wire = undefined;
    if (afterClose(code) === 'new_token') this.token = this.#options.renew(this.token);
    this.#reconnectLater(code);
  }

  #reconnectLater(code: number): void {
    const { clock, random } = this.#options;
    if (afterClose(code) === 'stop') return;
    this.#failures += 1;
    clock.after(random() * Math.min(2_000, 200 * 2 ** this.#failures), () => this.connect());
  }

  #frame(text: string): void {
    const frame = JSON.parse(text) as Frame;
    const following = frame.channel === undefined ? undefined : this.following.get(frame.channel);
    switch (frame.type) {
      case 'WELCOME':
      case 'PONG':
      case 'STATUS':
      case 'GOING_AWAY':
      case 'TOKEN_EXPIRING':
        return;
      case 'AUTHENTICATED':
        this.#failures = 0;
        return;
      case 'PING':
        return this.#send({ type: 'PONG' });
      case 'SUBSCRIBED':
        return this.#subscribed(frame, following);
      case 'UNSUBSCRIBED':
        if (frame.reason !== undefined) this.following.delete(frame.channel);
        return;
      case 'RESYNC':
        return this.#resync(frame, following);
      case 'STATE':
        return this.#state(frame, following);
      case 'ERROR':
        return this.#error(frame, following);
      case 'EVENT':
        return this.#event(frame, text, following);
      default:
        this.#wrong(`got a ${frame.type}`);
    }
  }

  #subscribed(frame: Frame, following: Following | undefined): void {
    if (!following || following.asked.ref !== frame.ref) return;
    const { after, rewind } = following.asked;
    const replay = frame.replay as number;
    const { channel, id, recovered } = frame;
    if ((recovered === undefined) !== (after === undefined && !rewind)) {
      this.#wrong(`${channel}: recovered is ${recovered} for a SUBSCRIBE after ${after}, rewind ${rewind}`);
    }
    if (recovered === false) {
      this.totals.notRecovered += 1;
      following.state = 'awaiting state';
      following.expectedState = id;
      if (replay !== 0) this.#wrong(`${channel}: not recovered, and yet a replay of ${replay}`);
      return;
    }
    if (recovered === true) this.totals.recovered += 1;
    if (recovered === undefined) following.view = undefined;
    if (replay === 0) {
      if (after !== undefined && id !== after)
        this.#wrong(`${channel}: recovered to ${id} without a replay from ${after}`);
      following.position = id;
      following.state = 'live';
      return;
    }
    following.state = 'replaying';
    following.replay = { left: replay, end: id };
  }

  #resync(frame: Frame, following: Following | undefined): void {
    if (!following || following.state === 'subscribing') return;
    // A replay that waits for the client to read can be overtaken by the log's end.
    if (following.state === 'awaiting state') this.#wrong(`${frame.channel}: RESYNC while ${following.state}`);
    following.replay = undefined;
    this.totals.resyncs += 1;
    following.state = 'awaiting state';
    following.expectedState = frame.id;
  }

  #state(frame: Frame, following: Following | undefined): void {
    const { channel, id } = frame;
    const frames = (frame.events as object[]).map((event) => JSON.stringify(event));
    const truth = this.#options.model.snapshotAt(channel, id);
    if (!truth) this.#wrong(`${channel}: STATE for ${id}, which never was`);
    else if (truth.size !== frames.length || !frames.every((event) => truth.has(event))) {
      this.#wrong(`${channel}: STATE for ${id} is not what was true then`);
    }
    if (frame.ref !== undefined || !following || following.state === 'subscribing') return;
    if (following.state !== 'awaiting state') this.#wrong(`${channel}: STATE while ${following.state}`);
    if (following.expectedState !== id)
      this.#wrong(`${channel}: STATE for ${id} instead of ${following.expectedState}`);
    this.totals.states += 1;
    following.state = 'live';
    following.position = id;
    following.view = new Map((frame.events as Frame[]).map((event, n) => [String(event.key), frames[n] as string]));
  }

  #event(frame: Frame, text: string, following: Following | undefined): void {
    const { channel, id } = frame;
    const { model } = this.#options;
    if (!model.isFrame(channel, id, text)) this.#wrong(`${channel} ${id}: an event that never was`);
    // Channels that are joined unasked bring events before the answer to a SUBSCRIBE; the answer says where to begin.
    if (!following || following.state === 'subscribing') return;
    this.totals.events += 1;
    if (following.state === 'awaiting state') return this.#wrong(`${channel} ${id}: an event before the STATE`);
    if (following.position !== undefined && model.previousOf(channel, id) !== following.position) {
      return this.#outOfOrder(frame, following.position);
    }
    following.position = id;
    if (frame.key !== undefined) following.view?.set(String(frame.key), text);
    this.#countReplay(channel, following);
  }

  #countReplay(channel: string, following: Following): void {
    const { replay } = following;
    if (!replay) return;
    replay.left -= 1;
    if (replay.left > 0) return;
    following.replay = undefined;
    following.state = 'live';
    // While a replay waited for the client to read, Redis may have lost its end: what came in its place is of a later epoch.
    const [at, end] = [following.position, replay.end].map(parsePosition);
    if (following.position !== replay.end && !(at && end && at.epoch > end.epoch))
      this.#wrong(`${channel}: the replay ends at ${following.position}, not ${replay.end}`);
  }

  #outOfOrder({ channel, id }: Frame, position: string): void {
    // What a poisoned connection brings may have holes: it is about to be closed, and the client asks again.
    if (this.wire?.dropped) return;
    const order = comparePositions(parsePosition(id) as Position, parsePosition(position) as Position);
    this.#wrong(
      `${channel}: ${id} after ${position}: ${order <= 0 ? 'again or out of order' : 'something is missing'}`,
    );
  }

  #error(frame: Frame, following: Following | undefined): void {
    const mine = following?.asked.ref === frame.ref;
    if (frame.code === 'token_expired') this.authenticate(this.#options.renew(this.token));
    if (frame.code === 'not_authenticated') this.#askAgain(Number(frame.ref), 500);
    if (frame.code === 'unavailable') this.#askAgain(Number(frame.ref), Number(frame.retry_after_ms));
    if (frame.code === 'forbidden' && mine) this.following.delete(frame.channel);
    if (frame.code === 'internal' || frame.code === 'bad_message') this.#wrong(`got ${JSON.stringify(frame)}`);
  }

  /** Repeats a SUBSCRIBE that could not be answered, unless it has been overtaken by another. */
  #askAgain(ref: number, afterMs: number): void {
    this.#options.clock.after(afterMs, () => {
      for (const [channel, following] of this.following) {
        if (following.state === 'subscribing' && following.asked.ref === ref) this.#subscribe(channel, undefined);
      }
    });
  }
}

const notYet = (): Following => ({
  position: undefined,
  state: 'subscribing',
  asked: { after: undefined, rewind: undefined, ref: 0 },
  replay: undefined,
  expectedState: undefined,
  view: undefined,
});
