/** ioredis resolves a transaction also where commands in it failed: here the first failure is thrown. */
import type { ChainableCommander } from 'ioredis';

export async function execAll(transaction: ChainableCommander): Promise<unknown[]> {
  const replies = await transaction.exec();
  if (replies === null) throw new Error('the transaction was not carried out');
  return replies.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}
