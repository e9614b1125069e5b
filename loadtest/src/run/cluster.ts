/** A cluster on this machine for the time of a load test: Redis, gateways and a publisher, as they are shipped. */
import { startGateway, startPublisher, startRedis, TEST_SECRET } from '@belfry/testkit';
import type { Settings } from '../k6/settings.ts';

export interface LocalCluster {
  /** The settings, with the addresses and the secret of this cluster. */
  readonly settings: Settings;
  /** Process ids by name. */
  readonly processes: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** Those who are dropped may be back before the gateway has noticed. */
const SPARE_CONNECTIONS = 1_000;

export async function startCluster(settings: Settings, gateways: number): Promise<LocalCluster> {
  const running: { stop(): Promise<unknown> }[] = [];
  const processes = new Map<string, number>();
  const stop = async () => {
    for (const part of running.reverse()) await part.stop();
  };
  try {
    const redis = await startRedis();
    running.push(redis);
    processes.set('Redis', redis.pid());
    const limit = `${settings.connections + SPARE_CONNECTIONS}`;
    const publisher = await startPublisher({ REDIS_URL: redis.url });
    running.push(publisher);
    processes.set('publisher', publisher.pid);
    const urls: string[] = [];
    for (let n = 1; n <= gateways; n++) {
      const gateway = await startGateway({
        REDIS_URL: redis.url,
        NODE_NAME: `gateway-${n}`,
        MAX_CONNECTIONS: limit,
        // All of them come from one address.
        MAX_CONNECTIONS_PER_IP: limit,
        RATE_LIMIT_PER_IP: '1000000000',
        // As browsers do, they say who they are in their first message: in a storm all of them have yet to.
        MAX_UNAUTHENTICATED: limit,
        MAX_UNAUTHENTICATED_PER_IP: limit,
        // Whoever is still connected at the end has finished.
        SHUTDOWN_SECONDS: '1',
      });
      running.push(gateway);
      processes.set(`gateway ${n}`, gateway.pid);
      urls.push(gateway.wsUrl);
    }
    const reached = {
      gateway: urls.join(','),
      publisher: publisher.url,
      publisherToken: '',
      secret: TEST_SECRET,
      token: '',
    };
    return { settings: { ...settings, ...reached }, processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
