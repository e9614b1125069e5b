/**
 * Sends what is called in one turn of the event loop in one piece. ioredis writes every command by itself: at thousands
 * of calls a turn the system calls, here and in Redis, cost more than the commands.
 */
import { Redis } from 'ioredis';
import type { Connection } from './connection.js';

/** Call it before each command. On a Cluster, where commands go different ways, it does nothing. */
export function createCork(connection: Connection): () => void {
  if (!(connection instanceof Redis)) return () => undefined;
  let corked = false;
  return () => {
    const { stream } = connection;
    if (corked || !stream?.writable) return;
    corked = true;
    stream.cork();
    process.nextTick(() => {
      corked = false;
      stream.uncork();
    });
  };
}
