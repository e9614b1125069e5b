/** A cluster on this machine for the time of a load test: Redis, gateways and a publisher, as they are shipped. */
import { startGateway, startPublisher, startRedis, TEST_SECRET } from '@belfry/testkit';
import type { Settings } from '../k6/settings.ts';

export interface LocalCluster {
  /** The settings, with the addresses and the secret of this cluster. */
  readonly settings: Settings;
  stop(): Promise<void>;
}

/** Those who are dropped may be back before the gateway has noticed. */
const SPARE_CONNECTIONS = 1_000;

export async function startCluster(settings: Settings, gateways: number): Promise<LocalCluster> {
  const running: { stop(): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const part of running.reverse()) await part.stop();
  };
  try {
    const redis = await startRedis();
    running.push(redis);
    const limit = `${settings.connections + SPARE_CONNECTIONS}`;
    const publisher = await startPublisher({ REDIS_URL: redis.url });
    running.push(publisher);
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
      urls.push(gateway.wsUrl);
    }
    return { settings: { ...settings, gateway: urls.join(','), publisher: publisher.url, secret: TEST_SECRET }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
