/** Reads every audited channel's log straight from Redis, about once a second, into its chain. */
import { type Connection, channelKeys } from '@belfry/shared/log';
import { parsePosition } from '@belfry/shared/protocol';
import { BULK, changeNumber, channelName, GLOBAL } from '../names.js';
import { type Chain, type ChainEntry, createChain } from './chain.js';

export interface Truth {
  readonly chains: ReadonlyMap<number, Chain>;
  /** Reads all channels now. Rejects where Redis does not answer. */
  read(): Promise<void>;
  stop(): Promise<void>;
}

const INTERVAL_MS = 1_000;
const AT_ONCE = 50;

type Row = [id: string, fields: string[]];

export function followTruth(options: {
  readonly connection: Connection;
  readonly prefix: string;
  readonly properties: number;
}): Truth {
  const { connection, prefix } = options;
  const channels = [...Array.from({ length: options.properties }, (_, n) => n), GLOBAL, BULK];
  const chains = new Map(channels.map((channel) => [channel, createChain()]));
  let stopped = false;
  let reading: Promise<void> | undefined;

  async function readChannel(channel: number, chain: Chain): Promise<void> {
    const { log } = channelKeys(prefix, channelName(channel));
    const { end } = chain;
    if (end) {
      const rows = (await connection.xrange(log, `${end.epoch}-${end.offset}`, '+')) as Row[];
      if (chain.extend(entriesOf(rows))) return;
    }
    chain.replace(entriesOf((await connection.xrange(log, '-', '+')) as Row[]));
  }

  async function readAll(): Promise<void> {
    const list = [...chains];
    for (let at = 0; at < list.length; at += AT_ONCE)
      await Promise.all(list.slice(at, at + AT_ONCE).map(([channel, chain]) => readChannel(channel, chain)));
  }

  /** One reading at a time: two would both extend the same chain. */
  async function read(): Promise<void> {
    while (reading) await reading.catch(() => undefined);
    reading = readAll().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  const timer = setInterval(() => {
    // While Redis is away there is nothing to read; what it lost is seen when it is back.
    if (!reading && !stopped) read().catch(() => undefined);
  }, INTERVAL_MS);

  return {
    chains,
    read,
    async stop() {
      stopped = true;
      clearInterval(timer);
      await reading?.catch(() => undefined);
    },
  };
}

function entriesOf(rows: readonly Row[]): ChainEntry[] {
  const entries: ChainEntry[] = [];
  for (const [id, fields] of rows) {
    const position = parsePosition(id);
    if (position) entries.push({ ...position, change: fields[0] === 'd' ? changeIn(fields[1] ?? '') : undefined });
  }
  return entries;
}

function changeIn(body: string): number | undefined {
  const n = /"message":"n(\d+)"/.exec(body);
  const property = /"property_id":"1(\d{9})"/.exec(body);
  return n && property ? changeNumber(Number(property[1]), Number(n[1])) : undefined;
}
