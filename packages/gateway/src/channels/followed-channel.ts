/**
 * Who follows a channel: how they come in, how what is published reaches them, and how they leave.
 *
 * Followers of a channel on which nothing has happened yet are only listed, and put on the transport's topic with the
 * first frame for all of them: most channels are quiet, and a place on a topic costs ten times as much as one in a list.
 * `Channel` extends this, as an object more for each of a hundred thousand channels would be felt. No `#method` in here: a
 * class that has one costs each of its objects another field.
 */
import type { Position } from '@belfry/shared/protocol';
import type { ChannelOptions } from './channel-options.js';
import { subscribedFrame } from './frames.js';
import type { HubChannel, JoinRequest } from './hub-channel.js';
import type { Frame, Subscriber } from './subscriber.js';

/** More than this many are not listed: moving them would keep the others waiting, and so would looking for who leaves. */
const MAX_LISTED = 128;
/** Of most channels, most of the time. Never added to. */
const NOBODY: Subscriber[] = [];

export abstract class FollowedChannel {
  readonly name: string;
  /** How many follow the channel. */
  followers = 0;
  protected readonly options: ChannelOptions;
  /** Followers who are not on the topic yet. */
  #listed = NOBODY;
  #onTopic = false;
  #welcome = '';
  /** Where the channel stood when it was written. */
  #welcomeAt: Position | undefined;

  constructor(name: string, options: ChannelOptions) {
    this.name = name;
    this.options = options;
  }

  leave(subscriber: Subscriber): void {
    this.followers -= 1;
    const place = this.#listed.indexOf(subscriber);
    if (place !== -1) {
      const last = this.#listed.pop() as Subscriber;
      if (last !== subscriber) this.#listed[place] = last;
    }
    if (this.followers > 0) return;
    this.#listed = NOBODY;
    this.#onTopic = false;
  }

  close(): void {
    this.#listed = NOBODY;
  }

  protected follow(subscriber: Subscriber): void {
    this.followers += 1;
    if (!this.#onTopic && this.#listed.length === MAX_LISTED) this.putOnTopic();
    if (this.#onTopic) subscriber.follow(this.name);
    else if (this.#listed === NOBODY) this.#listed = [subscriber];
    else this.#listed.push(subscriber);
  }

  protected putOnTopic(): void {
    this.#onTopic = true;
    for (const subscriber of this.#listed) subscriber.follow(this.name);
    this.#listed = NOBODY;
  }

  /** To everybody who follows. In one turn with joining: whoever is listed gets it as if it had been on the topic before. */
  protected publish(frame: Frame): void {
    if (!this.#onTopic) this.putOnTopic();
    this.options.publish(this.name, frame);
  }

  /**
   * The synchronous block: SUBSCRIBED, what comes before the live events, follow. An `await` in here would be a gap.
   * @param at where the client stands once it has what comes first: a STATE, where there is one, and `frames`
   * @param recovered undefined for who came without a position
   * @param cost of its past, in events
   */
  protected admit(
    this: FollowedChannel & HubChannel,
    request: JoinRequest,
    at: Position,
    frames: readonly Frame[],
    recovered: boolean | undefined,
    state: string | undefined,
    cost: number,
  ): void {
    if (recovered === undefined && request.ref === undefined && state === undefined) {
      this.admitFresh(request.subscriber, request.announced, at);
      return request.onJoined(this);
    }
    const { subscriber } = request;
    const admit = (): void => {
      if (request.announced) {
        const replay = state === undefined ? frames.length : 0;
        subscriber.send(subscribedFrame(this.name, at, replay, recovered, request.ref));
      }
      const replay = request.replay ?? subscriber;
      if (state !== undefined) replay.send(state);
      for (const frame of frames) replay.send(frame);
      if (request.replay?.stopped) this.followers += 1;
      else this.follow(subscriber);
      if (cost > 0) request.onCost(cost);
      request.onJoined(this);
    };
    // A single frame leaves in one piece anyway.
    if (frames.length === 0 && state === undefined) admit();
    else subscriber.together(admit);
    const outcome = recovered === undefined ? 'fresh' : recovered ? 'recovered' : 'not_recovered';
    this.options.observer.joined(outcome, frames.length);
  }

  /** Somebody who comes without a past gets SUBSCRIBED at most, which is the same for everybody until there is an event. */
  protected admitFresh(subscriber: Subscriber, announced: boolean, at: Position): void {
    if (announced) {
      if (this.#welcomeAt !== at) {
        this.#welcomeAt = at;
        this.#welcome = subscribedFrame(this.name, at, 0, undefined, undefined);
      }
      subscriber.send(this.#welcome);
    }
    this.follow(subscriber);
    this.options.observer.joined('fresh', 0);
  }
}
