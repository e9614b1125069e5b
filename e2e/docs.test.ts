/** The documentation says what the code says: its generated parts are those that the registries make now. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  eventually,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOCUMENTS, generate, loadParts, partsIn } from '../scripts/docs.mjs';
import { errorCodesTable, messagesTable, secretFilesTable, settingsTable } from '../scripts/docs-tables.mjs';
import { ROOT } from '../scripts/setup.mjs';

const parts = await loadParts();
const read = (document: string) => readFileSync(join(ROOT, document), 'utf8');

describe('the generated parts', () => {
  it.each(DOCUMENTS)('of %s are as `npm run docs` writes them', (document) => {
    const text = read(document);
    expect(text).toBe(generate(text, parts));
  });

  it('are all in a document, each once', () => {
    expect(DOCUMENTS.flatMap((document) => partsIn(read(document))).sort()).toEqual(Object.keys(parts).sort());
  });

  it('differ as soon as a registry does, in a name, a text or a default', () => {
    const text = '<!-- generated: part -->\n<!-- end -->\n';
    const setting = { text: 'T', default: '1', defaultText: undefined, allowed: '1 to 2', secret: false };
    const written = [
      messagesTable({ PING: { fields: [], more: [], text: 'T' } }),
      messagesTable({ PING: { fields: [], more: ['ref'], text: 'T' } }),
      messagesTable({ PING: { fields: [], more: [], text: 'T' }, PONG: { fields: [], more: [], text: 'T' } }),
      errorCodesTable({ internal: 'T' }),
      errorCodesTable({ internal: 'U' }),
      settingsTable({ LIMIT: setting }),
      settingsTable({ LIMIT: { ...setting, default: '2' } }),
      secretFilesTable({ gateway: { KEY: setting } }),
      secretFilesTable({ gateway: { KEY: { ...setting, secret: true } } }),
      secretFilesTable({ gateway: { KEY: { ...setting, secret: true } }, publisher: { KEY: setting } }),
    ].map((table) => generate(text, { part: () => table }));
    expect(new Set(written).size).toBe(written.length);
    expect(() => generate(text, {})).toThrow('nothing writes the part part');
  });
});

describe('against running processes', () => {
  let redis: TestRedis;
  let gateway: TestGateway;
  let publisher: TestProcess;
  beforeAll(async () => {
    redis = await startRedis();
    gateway = await startGateway({ REDIS_URL: redis.url });
    publisher = await startPublisher({
      REDIS_URL: redis.url,
      SOURCES_ENABLED: 'true',
      NYC_BASE_URL: 'http://127.0.0.1:1',
    });
    // What is polled begins once Redis is there, a moment after the process listens.
    await eventually('metrics of the sources', async () =>
      (await (await fetch(`${publisher.operatorUrl}/metrics`)).text()).includes('belfry_source_'),
    );
  });
  afterAll(async () => {
    await Promise.all([gateway?.stop(), publisher?.stop()]);
    await redis?.stop();
  });

  it.each(['gateway', 'publisher'] as const)(
    'docs/metrics.md names the metrics that a %s has, Node’s own aside, and no other',
    async (name) => {
      const scraped = await (await fetch(`${(name === 'gateway' ? gateway : publisher).operatorUrl}/metrics`)).text();
      const there = [...scraped.matchAll(/^# TYPE (\w+) /gm)].map(([, metric = '']) => metric);
      const ours = there.filter((metric) => !/^(process|nodejs)_/.test(metric) && metric !== 'belfry_build_info');
      const table = parts[`${name}-metrics`]?.() ?? '';
      expect([...table.matchAll(/^\| `(\w+)`/gm)].map(([, metric]) => metric)).toEqual(ours.sort());
    },
  );

  const calls = (port: 'clients' | 'operators') => {
    const section = read('PROTOCOL.md').split(port === 'clients' ? '## HTTP beside it' : '## For operators')[1] ?? '';
    return [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `GET ([^?`]+)/gm)].map(([, path = '']) => path);
  };
  it.each([
    ...calls('clients').map((path) => ['clients', path] as const),
    ...calls('operators').map((path) => ['operators', path] as const),
  ])('PROTOCOL.md’s call on the %s’ port, GET %s, exists', async (port, path) => {
    const url = port === 'clients' ? gateway.url : gateway.operatorUrl;
    expect((await fetch(`${url}${path}`)).status).not.toBe(404);
    expect((await fetch(`${url}${path}-not`)).status).toBe(404);
  });
});
