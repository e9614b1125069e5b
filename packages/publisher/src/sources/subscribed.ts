/**
 * Which properties somebody subscribes to: Redis knows, because a gateway holds a channel's topic for as long as one of
 * its clients does. So gateways need not know that there are sources.
 */
import { type Connection, channelKeys, channelOfTopic } from '@belfry/shared/log';
import { propertyChannel, propertyOf } from '@belfry/shared/protocol';
import { Cluster } from 'ioredis';

/** The names behind all `property:` channels that have a subscriber anywhere. On a Cluster every master is asked. */
export async function subscribedProperties(redis: Connection, prefix: string): Promise<string[]> {
  // Redis' patterns know *, ? and [; prefixes may hold none of them.
  const pattern = channelKeys(prefix, propertyChannel('*')).topic;
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const topics = await Promise.all(
    nodes.map((node) => node.call('PUBSUB', 'SHARDCHANNELS', pattern) as Promise<string[]>),
  );
  return topics.flat().flatMap((topic) => propertyOf(channelOfTopic(prefix, topic) ?? '') ?? []);
}
