/**
 * One of ten thousand users is revoked on one gateway while connected to another: how soon is that user gone, and
 * what does the token still get?
 */
import { connect, mintOperatorToken, mintToken } from '@belfry/testkit';
import { propertyId } from '../chaos/names.js';
import { seededRandom } from '../chaos/random.js';
import { startStage } from '../chaos/stage.js';
import { printFigures } from './figures.js';

const CLIENTS = 10_000;
const PER_SECOND = 40;
const HOT = 10;

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
    const [asked, third, other] = stage.cluster.gateways;
    if (!asked || !third || !other) throw new Error('three gateways are needed');
    const token = mintToken({ user_id: 'revoked', role: 'LANDLORD', properties: '*' });
    const client = await connect(`ws://127.0.0.1:${other.port}/ws`, { token, deadlineMs: 20_000 });
    client.send({ type: 'SUBSCRIBE', property_ids: Array.from({ length: HOT }, (_, n) => propertyId(n)) });
    await client.take(HOT, 'SUBSCRIBED', { deadlineMs: 20_000 });
    await client.next('VIOLATION_UPDATE', undefined, { deadlineMs: 20_000 });

    const started = performance.now();
    const response = await fetch(`http://127.0.0.1:${asked.process?.operatorPort}/ws/revoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${mintOperatorToken()}` },
      body: JSON.stringify({ user_id: 'revoked' }),
    });
    const outcome = (await response.json()) as { disconnected: number; missing: readonly string[] };
    const { code } = await client.closed;
    const goneMs = performance.now() - started;
    const before = client.received.length;
    const again = await connect(`ws://127.0.0.1:${asked.port}/ws`, { token, deadlineMs: 20_000 });
    const refused = (await again.closed).code;
    const readings = await Promise.all(
      [asked, third, other].flatMap(({ port }) =>
        [`/v1/state?property_id=${propertyId(0)}`, `/v1/stream?property_id=${propertyId(0)}`].map((path) =>
          fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token}` } }),
        ),
      ),
    );
    return printFigures(`One of ${CLIENTS} connected users revoked, 3 gateways, ${PER_SECOND} changes a second`, [
      { name: 'gone after', value: goneMs / 1_000, unit: 's', limit: { atMost: 2 } },
      { name: 'connections closed', value: outcome.disconnected, unit: '', limit: { atLeast: 1, atMost: 1 } },
      { name: 'gateways that did not answer', value: outcome.missing.length, unit: '', limit: { atMost: 0 } },
      { name: 'closed with', value: code, unit: '', limit: { atLeast: 4102, atMost: 4102 } },
      { name: 'frames after the cut', value: client.received.length - before, unit: '', limit: { atMost: 0 } },
      {
        name: 'readings over HTTP and SSE refused, of 6',
        value: readings.filter(({ status }) => status === 401).length,
        unit: '',
        limit: { atLeast: 6 },
      },
      { name: 'the same token again is closed with', value: refused, unit: '', limit: { atLeast: 4103, atMost: 4103 } },
    ]);
  } finally {
    await stage.stop();
  }
}
