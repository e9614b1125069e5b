/**
 * One of ten thousand users is revoked on one gateway while connected to another: how soon is that user gone, and
 * what does the token still get?
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, mintOperatorToken, mintToken, type TestClient } from '@belfry/testkit';
import { propertyId } from '../chaos/names.js';
import { seededRandom } from '../chaos/random.js';
import { startStage } from '../chaos/stage.js';
import { printFigures } from './figures.js';

const CLIENTS = 10_000;
const PER_SECOND = 40;
/** Properties that change often: both watchers get several events a second. */
const HOT = 10;
const AFTERWARDS_MS = 3_000;

/** Where each channel stands, by what a client got: SUBSCRIBED says where it stood when nothing had come yet. */
const offsets = ({ received }: TestClient): Map<string, number> =>
  new Map(
    received
      .filter(({ type }) => type === 'SUBSCRIBED' || type === 'VIOLATION_UPDATE')
      .map(({ channel, id }) => [channel, offsetOf(id)]),
  );
const offsetOf = (id: string): number => Number(id.split('-')[1]);

export async function revocation(seed: number): Promise<boolean> {
  const stage = await startStage({
    seed,
    random: seededRandom(seed),
    redis: 'standalone',
    clients: CLIENTS,
    gateways: 3,
    publishers: 1,
    properties: 150,
    channelsPerClient: 3,
    perSecond: PER_SECOND,
    globalEvery: 0,
    proxiedEvery: 0,
    plant: undefined,
    onProgress: console.log,
  });
  try {
    const [asked, , other] = stage.cluster.gateways;
    if (!asked || !other) throw new Error('three gateways are needed');
    const watch = async (token: string): Promise<TestClient> => {
      const client = await connect(`ws://127.0.0.1:${other.port}/ws`, { token, deadlineMs: 20_000 });
      client.send({ type: 'SUBSCRIBE', property_ids: Array.from({ length: HOT }, (_, n) => propertyId(n)) });
      await client.take(HOT, 'SUBSCRIBED', { deadlineMs: 20_000 });
      await client.next('VIOLATION_UPDATE', undefined, { deadlineMs: 20_000 });
      return client;
    };
    const token = mintToken({ user_id: 'revoked', role: 'LANDLORD', properties: '*' });
    const client = await watch(token);
    /** On the same gateway, with the same channels: shows what there was to get. */
    const bystander = await watch(mintToken({ user_id: 'bystander', role: 'LANDLORD', properties: '*' }));

    const started = performance.now();
    const response = await fetch(`http://127.0.0.1:${asked.process?.operatorPort}/ws/revoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${mintOperatorToken()}` },
      body: JSON.stringify({ user_id: 'revoked' }),
    });
    const outcome = (await response.json()) as { disconnected: number; missing: readonly string[] };
    const answeredMs = performance.now() - started;
    // Both are on one gateway, which sends to both in one turn: what the bystander has by now was before the cut.
    await bystander.settled({ deadlineMs: 20_000 });
    const cut = offsets(bystander);
    const { code } = await client.closed;
    const goneMs = performance.now() - started;
    await sleep(AFTERWARDS_MS);
    const behindCut = (from: TestClient): number =>
      [...offsets(from)].filter(([channel, offset]) => offset > (cut.get(channel) ?? 0)).length;
    const readings = await Promise.all(
      stage.cluster.gateways.flatMap(({ port }) =>
        ['state', 'events', 'stream'].map((reading) =>
          fetch(`http://127.0.0.1:${port}/v1/${reading}?property_id=${propertyId(0)}`, {
            headers: { authorization: `Bearer ${token}` },
          }),
        ),
      ),
    );
    const again = await connect(`ws://127.0.0.1:${asked.port}/ws`, { token, deadlineMs: 20_000 });
    const refused = (await again.closed).code;
    return printFigures(`One of ${CLIENTS} connected users revoked, 3 gateways, ${PER_SECOND} changes a second`, [
      { name: 'operator has the answer after', value: answeredMs / 1_000, unit: 's', limit: { atMost: 2 } },
      { name: 'gone after', value: goneMs / 1_000, unit: 's', limit: { atMost: 2 } },
      // None where a heartbeat told the gateway before it was asked.
      { name: 'connections closed', value: outcome.disconnected, unit: '', limit: { atMost: 1 } },
      { name: 'gateways that did not answer', value: outcome.missing.length, unit: '', limit: { atMost: 0 } },
      { name: 'closed with', value: code, unit: '', limit: { atLeast: 4102, atMost: 4102 } },
      { name: 'channels with events behind the cut', value: behindCut(client), unit: '', limit: { atMost: 0 } },
      { name: 'the same for a bystander', value: behindCut(bystander), unit: '', limit: { atLeast: 1 } },
      {
        name: 'readings over HTTP and SSE refused, of 9',
        value: readings.filter(({ status }) => status === 401).length,
        unit: '',
        limit: { atLeast: 9 },
      },
      { name: 'the same token again is closed with', value: refused, unit: '', limit: { atLeast: 4103, atMost: 4103 } },
      { name: 'others still connected', value: stage.swarms.status().live, unit: '', limit: { atLeast: CLIENTS } },
    ]);
  } finally {
    await stage.stop();
  }
}
