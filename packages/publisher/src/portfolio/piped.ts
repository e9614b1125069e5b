/** The same command for many keys, some hundreds at a time. */
import type { Connection } from '@belfry/shared/log';
import { type ChainableCommander, Redis } from 'ioredis';

/** One pipeline of these keeps Redis busy for about a millisecond. */
const AT_ONCE = 250;

/**
 * The replies, in the order of the items. On a Cluster, where keys lie in different slots, commands go one by one.
 * @throws the first error among the replies
 */
export async function piped<Item>(
  connection: Connection,
  items: readonly Item[],
  add: (commands: ChainableCommander, item: Item) => unknown,
): Promise<unknown[]> {
  const replies: unknown[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    const part = items.slice(start, start + AT_ONCE);
    const groups = connection instanceof Redis ? [part] : part.map((item) => [item]);
    const answers = await Promise.all(
      groups.map(async (group) => {
        const pipeline = connection.pipeline();
        for (const item of group) add(pipeline, item);
        return (await pipeline.exec()) ?? [];
      }),
    );
    for (const [error, reply] of answers.flat()) {
      if (error) throw error;
      replies.push(reply);
    }
  }
  return replies;
}
