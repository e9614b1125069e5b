/** Traces at a gateway: one span for each event that carries a trace, around handing it to a channel's sockets. */
import { formatPosition, parseChannel } from '@belfry/shared/protocol';
import { type Tracing, traceparentIn } from '@belfry/shared/tracing';
import { positionInFrame } from './channels/event-position.js';
import type { PublishToFollowers } from './channels/subscriber.js';

export function tracedPublish(publish: PublishToFollowers, tracing: Tracing): PublishToFollowers {
  if (!tracing.enabled) return publish;
  return (channel, frame) => {
    const parent = traceparentIn(frame);
    if (!parent) return publish(channel, frame);
    const position = typeof frame === 'string' ? undefined : positionInFrame(Buffer.from(frame));
    const span = tracing.span('deliver', {
      parent,
      channelKind: parseChannel(channel)?.kind ?? 'unknown',
      ...(position ? { eventId: formatPosition(position) } : {}),
    });
    publish(channel, frame);
    span.end();
  };
}
