/** A small cluster for tests of what stands before it: a Redis, gateways and a publisher, started and stopped as one. */
import {
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';

export interface ClusterOptions {
  readonly gateways: number;
  /** Settings of every gateway. */
  readonly gateway?: Readonly<Record<string, string>>;
  readonly publisher?: Readonly<Record<string, string>>;
}

export interface Cluster {
  readonly redis: TestRedis;
  /** `gateway-1` and on. */
  readonly gateways: readonly [TestGateway, ...TestGateway[]];
  readonly publisher: TestProcess;
  /** Posts to the publisher. @throws where it does not take it */
  post(path: string, body: unknown): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const redis = await startRedis();
  const node = (index: number) =>
    startGateway({ REDIS_URL: redis.url, NODE_NAME: `gateway-${index + 1}`, ...options.gateway });
  const more = Array.from({ length: options.gateways - 1 }, (_, index) => node(index + 1));
  const [publisher, ...gateways] = await Promise.all([
    startPublisher({ REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET, ...options.publisher }),
    node(0),
    ...more,
  ]);
  return {
    redis,
    gateways,
    publisher,
    async post(path, body) {
      const response = await fetch(`${publisher.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (response.status !== 202) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    },
    async stop() {
      await Promise.all([...gateways, publisher].map((process) => process.stop()));
      await redis.stop();
    },
  };
}
