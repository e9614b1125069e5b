/**
 * A Redis subscription per channel that somebody follows, made when the first one comes: to the channel itself, or with
 * LOG_TOPIC to what Belfry's log publishes for it.
 */
import { Redis } from 'ioredis';

/** @param deliver gets a frame as Redis brought it */
export function followRedis(deliver: (channel: string, frame: Buffer) => void): (channel: string) => void {
  const { LOG_TOPIC: logTopic, REDIS_URL = '' } = process.env;
  const [before = '', after = ''] = logTopic?.split('*') ?? [];
  const redis = new Redis(REDIS_URL);
  const followed = new Set<string>();
  redis.on('messageBuffer', (channel: Buffer, frame: Buffer) => deliver(channel.toString('latin1'), frame));
  redis.on('smessageBuffer', (topic: Buffer, frame: Buffer) =>
    deliver(topic.toString('latin1', before.length, topic.length - after.length), frame),
  );
  return (channel) => {
    if (followed.has(channel)) return;
    followed.add(channel);
    if (logTopic === undefined) redis.subscribe(channel);
    else redis.ssubscribe(before + channel + after);
  };
}

export const announce = (port: number): void =>
  void process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'listening', port, operator_port: 0 })}\n`);

export interface ClientFrame {
  readonly type: string;
  readonly token?: string;
  readonly property_ids?: readonly string[];
}
