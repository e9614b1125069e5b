/** A trace goes along with an event, from the service that reports it to the sockets of a gateway, where that is asked for. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  connect,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

interface Span {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { key: string; value: unknown }[];
}

const PROPERTY = '1012650001';
const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const WITHIN = { timeout: 30_000 };
const spans: Span[] = [];
let collector: Server;
let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;

/** A collector as OpenTelemetry's exporters know it: OTLP over HTTP, as JSON. */
async function startCollector(): Promise<Server> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(parts).toString()).resourceSpans) {
        const named = resource.attributes.find(({ key }: { key: string }) => key === 'service.name');
        for (const scope of scopeSpans)
          for (const span of scope.spans) spans.push({ service: named.value.stringValue, ...span });
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

beforeAll(async () => {
  [redis, collector] = await Promise.all([startRedis(), startCollector()]);
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const env = { REDIS_URL: redis.url, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: '0' };
  [gateway, publisher] = await Promise.all([
    startGateway({ ...env, ACCESS_POLICY: 'authenticated' }),
    startPublisher(env),
  ]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), publisher?.stop()]);
  await redis?.stop();
  collector?.closeAllConnections();
  collector?.close();
});

async function report(count: number, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const response = await fetch(`${publisher.url}/v1/changes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ property_id: PROPERTY, violation_type: 'HPD', count }),
  });
  expect(response.status).toBe(202);
  await response.text();
}

it('intake, append and delivery are spans of the trace that the report came with, and the event carries it', async () => {
  const client = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'manager' }) });
  client.send({ type: 'SUBSCRIBE', property_id: PROPERTY });
  await client.next('SUBSCRIBED');
  await report(3, { traceparent: CALLER });
  const event = await client.next('VIOLATION_UPDATE');

  const [, traceId, callerSpan] = CALLER.split('-');
  const find = (name: string) => spans.filter((span) => span.name === name && span.traceId === traceId);
  await vi.waitFor(() => {
    expect(find('intake')).toHaveLength(1);
    // On the property's channel, and on `global`.
    expect(find('append')).toHaveLength(2);
    expect(find('deliver')).toHaveLength(1);
  }, WITHIN);
  const [intake] = find('intake');
  const [deliver] = find('deliver');
  expect(intake).toMatchObject({ service: 'belfry-publisher', parentSpanId: callerSpan });
  expect(deliver).toMatchObject({ service: 'belfry-gateway', parentSpanId: intake?.spanId });
  for (const append of find('append')) expect(append.parentSpanId).toBe(intake?.spanId);
  expect(event.traceparent).toBe(`00-${traceId}-${intake?.spanId}-01`);
  expect(deliver?.attributes).toContainEqual({ key: 'messaging.message.id', value: { stringValue: event.id } });
  // No property and no user in what leaves for the collector.
  expect(JSON.stringify(spans)).not.toContain(PROPERTY);
  await client.close();
});

it('nothing is traced, and no event grows, where the share is 0 and the report has no trace', async () => {
  const client = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'manager' }) });
  client.send({ type: 'SUBSCRIBE', property_id: PROPERTY });
  await client.next('SUBSCRIBED');
  const before = spans.length;
  await report(4);
  expect(await client.next('VIOLATION_UPDATE')).not.toHaveProperty('traceparent');
  await report(5, { traceparent: 'not-a-trace' });
  expect(await client.next('VIOLATION_UPDATE')).not.toHaveProperty('traceparent');
  await client.close();
  await Promise.all([gateway.stop(), publisher.stop()]);
  expect(spans.length).toBe(before);
});
