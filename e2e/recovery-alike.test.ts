/**
 * Whichever way a client comes back, it gets the same: over a WebSocket, from the gateway's tail or the log; over
 * `/v1/events`; and over a stream with Last-Event-ID. Held against a model of the history, from every position there ever was.
 */
import {
  connect,
  eventually,
  type Frame,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const KEPT = 12;
const CHANNEL = 'property:1';
const token = mintToken({ user_id: 'manager', role: 'ADMIN' });
const headers = { authorization: `Bearer ${token}` };

/** What a client gets that comes back: what it missed, or the state instead. */
interface Recovery {
  readonly recovered: boolean;
  /** The position it is at then. */
  readonly id: unknown;
  readonly events: readonly unknown[];
}

let redis: Awaited<ReturnType<typeof startRedis>>;
let log: ReturnType<typeof openTestLog>;
/** With a tail that somebody keeps alive, and without. */
let gateways: TestGateway[];

beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  log = openTestLog(redis.url, { maxEvents: KEPT });
  const env = {
    REDIS_URL: redis.url,
    LOG_MAX_EVENTS: String(KEPT),
    LINGER_SECONDS: '1',
    REPLAY_LIMIT_EVENTS: '1000000',
  };
  gateways = await Promise.all([startGateway(env), startGateway(env)]);
});
afterAll(async () => {
  log?.close();
  await Promise.all((gateways ?? []).map((gateway) => gateway.stop()));
  await redis?.stop();
});

const idsOf = (frames: readonly Frame[]): unknown[] => frames.map(({ id }) => id);

async function overWebSocket(gateway: TestGateway, after: string): Promise<Recovery> {
  const client = await connect(gateway.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', channel: CHANNEL, after });
  const { id, recovered, replay } = await client.next('SUBSCRIBED');
  const events = recovered
    ? idsOf(await client.take(Number(replay), 'VIOLATION_UPDATE'))
    : idsOf((await client.next('STATE')).events as Frame[]);
  await client.close();
  return { recovered: recovered === true, id, events };
}

async function overHttp(gateway: TestGateway, after: string): Promise<Recovery> {
  const answer = await fetch(`${gateway.url}/v1/events?channel=${CHANNEL}&after=${after}`, { headers });
  const { events, id, recovered } = (await answer.json()) as { id: string; recovered: boolean; events: Frame[] };
  return { recovered, id, events: idsOf(events) };
}

async function overStream(gateway: TestGateway, after: string): Promise<Recovery> {
  const stop = new AbortController();
  const answer = await fetch(`${gateway.url}/v1/stream?channel=${CHANNEL}`, {
    headers: { ...headers, 'last-event-id': `${CHANNEL}@${after}` },
    signal: stop.signal,
  });
  let text = '';
  const frames: Frame[] = [];
  try {
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString();
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data) frames.push(JSON.parse(data) as Frame);
      }
      const subscribed = frames.find(({ channel, type }) => type === 'SUBSCRIBED' && channel === CHANNEL);
      const state = frames.find(({ channel, type }) => type === 'STATE' && channel === CHANNEL);
      const events = frames.filter(({ type }) => type === 'VIOLATION_UPDATE');
      if (subscribed?.recovered === false && state)
        return { recovered: false, id: subscribed.id, events: idsOf(state.events as Frame[]) };
      if (subscribed?.recovered && events.length === subscribed.replay)
        return { recovered: true, id: subscribed.id, events: idsOf(events) };
    }
  } finally {
    stop.abort();
  }
  throw new Error(`the stream ended: ${JSON.stringify(frames)}`);
}

it('is the same over a WebSocket, HTTP and a stream, from every position of two epochs, kept, trimmed and made up', async () => {
  const admin = redis.connect();
  const [warm, cold] = gateways as [TestGateway, TestGateway];
  const follower = await connect(warm.wsUrl, { token });
  follower.send({ type: 'SUBSCRIBE', channel: CHANNEL });
  const all = [String((await follower.next('SUBSCRIBED')).id)];
  const newest = new Map<string, string>();
  async function append(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const key = `type-${all.length % 3}`;
      const [id = ''] = await log.append(CHANNEL, [{ n: all.length }], key);
      newest.set(key, id);
      all.push(id);
    }
    await follower.take(count, 'VIOLATION_UPDATE');
    // The other one may hear of it a moment later, where it still has the channel.
    const end = all.at(-1) as string;
    await eventually('both to know the end', async () => (await overWebSocket(cold, end)).id === end);
  }

  let comparisons = 0;
  async function compare(): Promise<void> {
    const end = all.at(-1) as string;
    const made = [`${end.split('-')[0]}-${Number(end.split('-')[1]) + 1}`, '99999999999999-3', '1-1'];
    for (const after of [...all, ...made]) {
      const at = all.lastIndexOf(after);
      const missed = all.length - 1 - at;
      const given = await Promise.all([
        overWebSocket(warm, after),
        overWebSocket(cold, after),
        overHttp(warm, after),
        overStream(cold, after),
      ]);
      // Who is exactly as far behind as a tail is long may be helped by the tail, and not by the log, which has to know where it was.
      const mayRecover = at >= 0 && missed <= KEPT;
      const mustRecover = at >= 0 && missed < KEPT;
      for (const { events, id, recovered } of given) {
        comparisons += 1;
        expect(recovered ? mayRecover : !mustRecover, `${after}: recovered ${recovered}, ${missed} missed`).toBe(true);
        expect(id).toBe(end);
        if (recovered) expect(events).toEqual(all.slice(at + 1));
        else expect([...events].sort()).toEqual([...newest.values()].sort());
      }
    }
  }

  await append(5);
  await compare();
  // A new epoch in a log that goes on: nothing was lost.
  await admin.call('DEBUG', 'CHANGE-REPL-ID');
  await append(5);
  await compare();
  await append(9);
  await compare();
  expect(new Set(all.map((id) => id.split('-')[0])).size).toBe(2);
  expect(comparisons).toBeGreaterThan(150);
  await follower.close();
}, 120_000);
