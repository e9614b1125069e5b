/**
 * Generations: under which identity Redis' masters run. A master takes a new one (`master_replid`) whenever it restarts
 * or is promoted, so a new generation says that writes may have been lost.
 */
import { Cluster } from 'ioredis';
import type { Connection } from './connection.js';

/** The first 12 digits of `master_replid`, as the scripts use them. */
const GENERATION = /master_replid:([0-9a-f]{12})/;

/** The generation of every master, sorted. Rejects where one does not answer. */
export async function readGenerations(connection: Connection): Promise<readonly string[]> {
  const masters = connection instanceof Cluster ? connection.nodes('master') : [connection];
  const infos = await Promise.all(masters.map((master) => master.info('replication')));
  const generations = infos.flatMap((info) => GENERATION.exec(info)?.[1] ?? []);
  if (generations.length === 0) throw new Error('Redis does not say its replication id');
  return generations.sort();
}
