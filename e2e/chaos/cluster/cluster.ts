/** All the processes of a run together: Redis, the proxy, gateways, publishers. */
import { freePorts, startGateway, startPublisher, type TestProcess } from '@belfry/testkit';
import { type BadNetwork, startProxy } from '../proxy/proxy.js';
import { createNode, type Node } from './node.js';
import { type RedisKind, type RedisUnderTest, startRedisUnderTest } from './redis.js';

export interface ClusterOptions {
  readonly redis: RedisKind;
  readonly gateways: number;
  readonly publishers: number;
  readonly clients: number;
  /** More settings of every gateway. */
  readonly gatewayEnv?: Readonly<Record<string, string>>;
  readonly onGateways: (up: readonly boolean[]) => void;
  readonly onIncident: (what: string) => void;
}

export interface Cluster {
  readonly redis: RedisUnderTest;
  readonly proxy: BadNetwork;
  readonly gateways: readonly Node[];
  readonly publishers: readonly Node[];
  /** The proxy's port before each gateway. */
  readonly proxied: readonly number[];
  /** Routes of the proxy to Redis, one a node; none where Redis' nodes tell each other's addresses. */
  readonly redisRoutes: readonly string[];
  readonly clientRoutes: readonly string[];
  stop(): Promise<void>;
}

export const MAX_EVENTS = 64;
const clientRoute = (n: number): string => `clients to gateway-${n + 1}`;
const redisRoute = (name: string): string => `${name} to Redis`;

/** Starts everything; resolves when all listen. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const names = {
    gateways: Array.from({ length: options.gateways }, (_, n) => `gateway-${n + 1}`),
    publishers: Array.from({ length: options.publishers }, (_, n) => `publisher-${n + 1}`),
  };
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.reverse()) await each();
  };
  try {
    const redis = await startRedisUnderTest(options.redis);
    stops.push(() => redis.stop());
    const ports = await freePorts(options.gateways + options.publishers);
    const gatewayPorts = ports.slice(0, options.gateways);
    const publisherPorts = ports.slice(options.gateways);
    const { port } = redis;
    const all = [...names.gateways, ...names.publishers];
    const redisRoutes = port === undefined ? [] : all.map((name) => ({ name: redisRoute(name), target: port }));
    const clientRoutes = gatewayPorts.map((target, n) => ({ name: clientRoute(n), target }));
    const proxy = await startProxy([...redisRoutes, ...clientRoutes]);
    stops.push(() => proxy.stop());
    const urlFor = (name: string): string =>
      port === undefined ? redis.url : `redis://127.0.0.1:${proxy.ports[redisRoute(name)]}`;

    const gateways: Node[] = [];
    const onState = (): void => options.onGateways(gateways.map(({ state }) => state === 'up' || state === 'frozen'));
    const node = (name: string, at: number, launch: () => Promise<TestProcess>): Node => {
      const created = createNode(name, at, launch, { onState, onIncident: options.onIncident });
      stops.push(() => created.stop());
      return created;
    };
    for (const [n, name] of names.gateways.entries()) {
      const at = gatewayPorts[n] as number;
      const env = { ...gatewayEnv(options, name, at), REDIS_URL: urlFor(name) };
      gateways.push(node(name, at, () => startGateway(env)));
    }
    const publishers = names.publishers.map((name, n) => {
      const at = publisherPorts[n] as number;
      const env = { REDIS_URL: urlFor(name), HTTP_PORT: String(at), LOG_MAX_EVENTS: String(MAX_EVENTS) };
      return node(name, at, () => startPublisher(env));
    });
    await Promise.all([...gateways, ...publishers].map((each) => each.start()));
    return {
      redis,
      proxy,
      gateways,
      publishers,
      proxied: clientRoutes.map(({ name }) => proxy.ports[name] as number),
      redisRoutes: redisRoutes.map(({ name }) => name),
      clientRoutes: clientRoutes.map(({ name }) => name),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function gatewayEnv(options: ClusterOptions, name: string, port: number): Record<string, string> {
  return {
    NODE_NAME: name,
    WEBSOCKET_PORT: String(port),
    MAX_CONNECTIONS: String(options.clients * 2 + 100),
    MAX_CONNECTIONS_PER_IP: String(options.clients * 2 + 100),
    RATE_LIMIT_MESSAGES: '2000',
    LOG_MAX_EVENTS: String(MAX_EVENTS),
    // Short times, so that ten minutes hold what takes a day elsewhere.
    HEARTBEAT_SECONDS: '5',
    SHUTDOWN_SECONDS: '4',
    DRAIN_PER_SECOND: '400',
    SPOT_CHECK_SECONDS: '10',
    SUBSCRIBE_WAIT_SECONDS: '3',
    LINGER_SECONDS: '2',
    SLOW_CONSUMER_SECONDS: '5',
    ...options.gatewayEnv,
  };
}
