/**
 * The whole way from the city to a dashboard, over real processes: the city's rows are altered between polls, and clients
 * on both gateways see what that means, once each. The city is a stub; its rows are real ones where they are there.
 */
import {
  type City,
  connect,
  type Frame,
  mintToken,
  sampleFolder,
  startCity,
  startGateway,
  startPublisher,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HPD = 'wvxf-dwi5';
/** Six open HPD violations in the samples. */
const PROPERTY = '5054200062';
const POLL_SECONDS = 5;
const PATIENCE = { deadlineMs: 60_000 };

const folder = sampleFolder();
let redis: TestRedis;
let city: City;
let gateways: TestGateway[];
let publisher: TestProcess;

describe.skipIf(folder === undefined)(
  'the city (skipped where the sample rows are not there: set BELFRY_SAMPLES)',
  () => {
    beforeAll(async () => {
      redis = await startRedis();
      city = await startCity(folder === undefined ? {} : { folder });
      const env = { REDIS_URL: redis.url };
      const gateway = () => startGateway({ ...env, ACCESS_POLICY: 'authenticated' });
      [gateways, publisher] = await Promise.all([
        Promise.all([gateway(), gateway()]),
        startPublisher({
          ...env,
          SOURCES_ENABLED: 'true',
          NYC_BASE_URL: city.url,
          NYC_DATASETS: 'hpd,ecb',
          NYC_POLL_SECONDS: String(POLL_SECONDS),
        }),
      ]);
    });
    afterAll(async () => {
      await Promise.all([...(gateways ?? []), publisher].map((process) => process?.stop()));
      await city?.close();
      await redis?.stop();
    });

    it('is read when somebody subscribes, and every change of it reaches both gateways once', {
      timeout: 240_000,
    }, async () => {
      const clients = await Promise.all(gateways.map(({ wsUrl }) => following(wsUrl)));

      // Nobody told the publisher of this property: it found the subscription, and sets the snapshot without an alarm.
      const baselines = await onBoth(clients, (event) => event.violation_type === 'HPD');
      expect(baselines[0]).toMatchObject({ count: 6, new_violations: 0, resolved: 0 });
      await onBoth(clients, (event) => event.violation_type === 'ECB');

      const [row] = city.rows(HPD).filter((each) => each.bbl === PROPERTY && each.violationstatus === 'Open');
      city.update(HPD, (each) => each.violationid === row?.violationid, { violationstatus: 'Close' });
      expect((await onBoth(clients))[0]).toMatchObject({
        violation_type: 'HPD',
        count: 5,
        new_violations: 0,
        resolved: 1,
      });

      city.insert(HPD, {
        ...withoutSystemFields(row ?? {}),
        violationid: '99999999',
        class: 'C',
        violationstatus: 'Open',
      });
      expect((await onBoth(clients))[0]).toMatchObject({
        violation_type: 'HPD',
        count: 6,
        new_violations: 1,
        severity: 'critical',
        violations: expect.arrayContaining([expect.objectContaining({ number: '99999999', class: 'C' })]),
      });

      // A city that fails says nothing about violations, and the publisher says so.
      city.failNext({ kind: 'missing-column', column: 'violationstatus' }, 1_000, HPD);
      city.replace(HPD);
      await expect
        .poll(sources, { timeout: 60_000, interval: 500 })
        .toContainEqual(expect.objectContaining({ source: 'hpd', state: 'failing', error: 'schema' }));
      for (const client of clients) {
        await client.settled();
        expect(client.pending('VIOLATION_UPDATE')).toEqual([]);
        client.socket.terminate();
      }
    });
  },
);

async function following(url: string): Promise<TestClient> {
  const client = await connect(url, { token: mintToken({ user_id: 'landlord-7' }) });
  await client.next('AUTHENTICATED');
  client.send({ type: 'SUBSCRIBE', property_id: PROPERTY });
  await client.next('SUBSCRIBED');
  return client;
}

/** The next event of both clients, which must be the same. */
async function onBoth(
  clients: readonly TestClient[],
  matches: (event: Frame) => boolean = () => true,
): Promise<Frame[]> {
  const events = await Promise.all(clients.map((client) => client.next('VIOLATION_UPDATE', matches, PATIENCE)));
  expect(events[1]).toEqual(events[0]);
  return events;
}

async function sources(): Promise<unknown[]> {
  const response = await fetch(`${publisher.url}/v1/sources`);
  return ((await response.json()) as { sources: unknown[] }).sources;
}

const withoutSystemFields = (row: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(row).filter(([column]) => !column.startsWith(':')));
