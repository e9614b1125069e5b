/** A private Redis for a test file, that can be frozen, killed and brought back on the same port. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import { ownFolder, stopProcess } from '../../scripts/processes.mjs';
import { startRedis as startServer } from '../../scripts/redis.mjs';
import { eventually } from './deadline.js';

export interface TestRedisOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Writes an append-only file, flushed that often; what `restart({ keepData: true })` then reads. Default: none. */
  readonly appendFsync?: 'always' | 'everysec';
  /** More of redis-server's arguments, such as `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[];
  /** A file that redis-server reads first and may rewrite. */
  readonly configFile?: string;
  /** What it says once it serves; default: that it accepts connections. */
  readonly ready?: RegExp;
}

export interface TestRedis {
  readonly host: string;
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  /** Of the process that runs now. */
  pid(): number;
  /** The last lines it wrote. */
  log(): string;
  /** A new connection; closed by `stop`. Gives up on the first lost connection unless told otherwise. */
  connect(options?: RedisOptions): Redis;
  /** kill -9: connections break, the port is closed, files stay as they are. */
  kill(): Promise<void>;
  /** Brings it back after `kill`, on the same port, with whatever its files hold. */
  start(): Promise<void>;
  /**
   * Ends it and brings it back on the same port, with the data it had (written to disk before) or with none.
   * Its `master_replid` is another one afterwards either way.
   */
  restart(options: { keepData: boolean }): Promise<void>;
  /** SIGSTOP: connections stay open and nothing is answered. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Ends it, closes what `connect` handed out, removes its files. Harmless when called again. */
  stop(): Promise<void>;
}

/** Starts a private Redis on a free port of the loopback address. It ends with the test process at the latest. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const folder = ownFolder('redis');
  const args = [
    ...(options.appendFsync ? ['--appendonly', 'yes', '--appendfsync', options.appendFsync] : []),
    ...(options.args ?? []),
  ];
  const { configFile, ready } = options;
  const launch = (port: number | undefined) =>
    startServer({
      dir: folder.path,
      args,
      ...(port === undefined ? {} : { port }),
      ...(configFile === undefined ? {} : { configFile }),
      ...(ready === undefined ? {} : { ready }),
    });
  const launchFirst = async () => {
    try {
      return await launch(options.port);
    } catch (error) {
      await folder.remove();
      throw error;
    }
  };

  let server = await launchFirst();
  const { port, url } = server;
  const connections = new Set<Redis>();

  const connect = (connectOptions: RedisOptions = {}) => {
    const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => null, ...connectOptions });
    // A test that breaks the connection on purpose sees it by its commands' failures.
    redis.on('error', () => undefined);
    connections.add(redis);
    return redis;
  };
  const kill = async () => {
    server.child.kill('SIGKILL');
    await stopProcess(server.child);
  };
  const start = async () => {
    server = await launch(port);
  };
  const saveToDisk = async () => {
    const redis = connect();
    await redis.save();
    redis.disconnect();
    connections.delete(redis);
  };

  return {
    host: '127.0.0.1',
    port,
    url,
    pid: () => server.pid,
    log: () => server.log(),
    connect,
    kill,
    start,
    async restart({ keepData }) {
      if (keepData && !options.appendFsync) await saveToDisk();
      await kill();
      if (!keepData) {
        const files = await readdir(folder.path);
        await Promise.all(files.map((file) => rm(join(folder.path, file), { recursive: true, force: true })));
      }
      await start();
    },
    freeze: () => void server.child.kill('SIGSTOP'),
    thaw: () => void server.child.kill('SIGCONT'),
    async stop() {
      for (const redis of connections) redis.disconnect();
      await kill();
      await folder.remove();
    },
  };
}

/** The `name:value` lines of INFO's answer. */
export function readInfo(info: string): ReadonlyMap<string, string> {
  const pairs = info.split(/\r?\n/).map((line) => line.split(/:(.*)/s) as [string, string | undefined]);
  return new Map(pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

/**
 * For every node that may have replicas. With a diskless sync, which is the default, a master begins to send new writes
 * only with the replica's next acknowledgement, up to a second after the replica has called itself in sync.
 */
export const REPLICATION_ARGS = ['--repl-diskless-sync', 'no'] as const;

/** Resolves when `replica` has all that its master had when it connected. */
export async function replicaInSync(replica: TestRedis): Promise<void> {
  const redis = replica.connect();
  await eventually(
    `replica in sync on port ${replica.port}`,
    async () => readInfo(await redis.info('replication')).get('master_link_status') === 'up',
    { deadlineMs: 30_000 },
  );
  redis.disconnect();
}
