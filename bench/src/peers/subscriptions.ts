/** A Redis subscription per channel that somebody follows, made when the first one comes. */
import { Redis } from 'ioredis';

/** @param deliver gets a frame as Redis brought it */
export function followRedis(deliver: (channel: string, frame: Buffer) => void): (channel: string) => void {
  const redis = new Redis(process.env.REDIS_URL ?? '');
  const followed = new Set<string>();
  redis.on('messageBuffer', (channel: Buffer, frame: Buffer) => deliver(channel.toString('latin1'), frame));
  return (channel) => {
    if (followed.has(channel)) return;
    followed.add(channel);
    redis.subscribe(channel);
  };
}

export const announce = (port: number): void =>
  void process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'listening', port, operator_port: 0 })}\n`);

export interface ClientFrame {
  readonly type: string;
  readonly token?: string;
  readonly property_ids?: readonly string[];
}
