/** Which gateways there are: each writes what it is every two seconds, and is forgotten when it has not for seven. */
import type { ClusterKeys, Connection } from '@belfry/shared/log';
import { type Clock, type Logger, readStored } from '@belfry/shared/service';

/** What a gateway says of itself. */
export interface NodeInfo {
  readonly node: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly started_at: number;
  readonly active_connections: number;
  readonly authenticated_connections: number;
  readonly max_connections: number;
  readonly total_subscriptions: number;
  readonly unique_properties: number;
  readonly link_whole: boolean;
  readonly draining: boolean;
  readonly running: boolean;
}

export interface Nodes {
  /** The gateways that are alive, this one included. */
  list(): Promise<NodeInfo[]>;
  /** Says now what this gateway is. Rejects where Redis does not take it: then `list` knows nothing of the others either. */
  announce(): Promise<void>;
  /** Says goodbye, so that nobody waits for this gateway. */
  close(): Promise<void>;
}

export interface NodesOptions {
  readonly connection: Connection;
  readonly keys: ClusterKeys;
  readonly describe: () => NodeInfo;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after each heartbeat that Redis took. */
  readonly onBeat: () => void;
}

const BEAT_MS = 1_000;
/** A gateway that stalls for a few seconds is not forgotten, one that was killed soon is. */
const ALIVE_SECONDS = 7;

export function createNodes(options: NodesOptions): Nodes {
  const { clock, connection, keys, logger } = options;

  async function beat(): Promise<void> {
    const info = options.describe();
    await Promise.all([
      connection.set(keys.node(info.node), JSON.stringify(info), 'EX', ALIVE_SECONDS),
      connection.zadd(keys.nodes, String(clock.now()), info.node),
    ]);
    options.onBeat();
  }

  const beatAndLog = (): void => {
    beat().catch((error: unknown) => logger.debug({ err: error }, 'heartbeat not written'));
  };
  const stop = clock.every(BEAT_MS, beatAndLog);
  beatAndLog();

  return {
    announce: beat,
    async list() {
      const names = await connection.zrange(keys.nodes, '0', '-1');
      if (names.length === 0) return [];
      const texts = await connection.mget(...names.map(keys.node));
      const gone = names.filter((_, index) => texts[index] === null);
      if (gone.length > 0) await connection.zrem(keys.nodes, ...gone);
      return texts.flatMap((text) => readInfo(text) ?? []);
    },
    async close() {
      stop();
      const { node } = options.describe();
      await Promise.all([connection.del(keys.node(node)), connection.zrem(keys.nodes, node)]);
    },
  };
}

/** What somebody else wrote there is no gateway. */
const readInfo = (text: string | null): NodeInfo | undefined =>
  readStored<NodeInfo>(text, 'node', ({ node }) => typeof node === 'string');
