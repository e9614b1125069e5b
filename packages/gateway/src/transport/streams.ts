/**
 * The event streams of this gateway: each is one session like any other. What is published reaches them from here, as
 * uWebSockets.js has topics for WebSockets only.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { CLOSE_CODES } from '@belfry/shared/protocol';
import type { Frame } from '../channels/subscriber.js';
import type { Session } from '../session/session.js';
import type { Socket } from '../session/socket.js';
import type { Admission } from './admission.js';
import type { StreamRequest } from './http.js';
import { channelsToSubscribe, type EventStream, openEventStream, readLastEventId, subscribeFrame } from './stream.js';

export interface StreamsOptions {
  readonly admission: Admission;
  readonly addressOf: (response: HttpResponse, forwardedFor: string) => string;
  readonly maxBackpressureBytes: number;
  readonly onOpen: (socket: Socket, address: string, token: string | undefined) => Session;
  readonly onClose: (session: Session, code: number) => void;
}

export interface Streams {
  /** Takes over an accepted request; answers it. */
  open(response: HttpResponse, request: StreamRequest): void;
  /** To every stream that follows the channel. */
  publish(channel: string, frame: Frame): void;
}

export function createStreams(options: StreamsOptions): Streams {
  const { admission } = options;
  const followersOf = new Map<string, Set<EventStream>>();

  function follow(channel: string, stream: EventStream): void {
    const followers = followersOf.get(channel);
    if (followers) followers.add(stream);
    else followersOf.set(channel, new Set([stream]));
  }

  function unfollow(channel: string, stream: EventStream): void {
    const followers = followersOf.get(channel);
    followers?.delete(stream);
    if (followers?.size === 0) followersOf.delete(channel);
  }

  return {
    open(response, request) {
      const address = options.addressOf(response, request.forwardedFor);
      const refused = admission.refusal('', address);
      if (refused) return admission.refuse(response, refused);
      admission.entered(address);
      let session: Session | undefined;
      let gone = false;
      const asked = request.channels.map(({ channel }) => channel);
      const positions = readLastEventId(request.lastEventId, asked);
      const subscribed = channelsToSubscribe(asked, positions);
      const stream = openEventStream({
        response,
        headers: request.headers,
        positions,
        subscribed,
        maxBackpressureBytes: options.maxBackpressureBytes,
        onFollow: follow,
        onUnfollow: unfollow,
        onAlive: () => session?.receive('{"type":"PONG"}'),
        onDrained: () => session?.drained(),
        onClosed: () => {
          for (const [channel] of followersOf) unfollow(channel, stream);
          admission.left(address);
          gone = true;
          if (session) options.onClose(session, CLOSE_CODES.goingAway.code);
        },
      });
      session = options.onOpen(stream, address, request.token);
      if (gone) return options.onClose(session, CLOSE_CODES.tooManyConnections.code);
      session.receive(subscribeFrame(subscribed, positions));
    },
    publish(channel, frame) {
      const followers = followersOf.get(channel);
      if (followers) for (const stream of followers) stream.publish(channel, frame);
    },
  };
}
