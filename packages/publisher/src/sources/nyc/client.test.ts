/** Every way in which the city fails becomes a failure with a code, or is repeated until it answers; never an empty list. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, createLogger } from '@belfry/shared/service';
import { type City, type CityFault, startCity } from '@belfry/testkit';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type CityClient, type CityClientOptions, createCityClient } from './client.js';
import { ecb } from './ecb.js';
import type { CityFailure } from './failure.js';
import { pagesOf } from './pages.js';
import { retryAfter } from './response.js';
import { cell } from './row.js';

const NOW = Date.parse('2026-05-08T17:00:00Z');
const waits: number[] = [];
/** Waiting takes no time, and is written down. */
const hurried: Clock = {
  now: () => NOW,
  after: (ms, run) => {
    waits.push(ms);
    const immediate = setImmediate(run);
    return () => clearImmediate(immediate);
  },
  every: () => () => undefined,
};
const logger = createLogger('test', 'silent');

let city: City;
const clientOf = (options: Partial<CityClientOptions> = {}): CityClient =>
  createCityClient({ baseUrl: city.url, fetch, clock: hurried, logger, random: () => 1, ...options });
const question = { select: [':id', ...ecb.columns], order: ['ecb_violation_number'], limit: 100 };
const failureOf = (asked: Promise<unknown>): Promise<CityFailure> =>
  asked.then(
    () => Promise.reject(new Error('should have failed')),
    (error: CityFailure) => error,
  );
const row = (number: number) => ({
  ecb_violation_number: String(number).padStart(4, '0'),
  ecb_violation_status: 'ACTIVE',
  boro: '1',
  block: '00720',
  lot: '0055',
  bin: '1000001',
  issue_date: '20200101',
  severity: 'CLASS - 1',
  violation_type: 'Construction',
  violation_description: 'A "quoted" description',
  section_law_description1: 'law',
});

beforeEach(async () => {
  waits.length = 0;
  city = await startCity({ now: () => NOW });
  for (let number = 0; number < 25; number += 1) city.insert(ecb.id, row(number));
});
afterEach(() => city.close());

describe('a question that the city answers at last', () => {
  it.each<[string, CityFault]>([
    ['429', { kind: 'throttled' }],
    ['202', { kind: 'preparing' }],
    ['500', { kind: 'server', status: 500 }],
    ['503', { kind: 'server', status: 503 }],
    ['a stale replica', { kind: 'stale', says: true }],
    ['JSON that is cut off', { kind: 'truncated' }],
    ['a cut connection', { kind: 'cut' }],
  ])('survives %s four times', async (_name, fault) => {
    city.failNext(fault, 4);
    const page = await clientOf().ask(ecb, question);
    expect(page.rows).toHaveLength(25);
    expect(city.requests).toHaveLength(5);
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000]);
  });

  it.each<[string, CityFault, string]>([
    ['429', { kind: 'throttled' }, 'throttled'],
    ['202', { kind: 'preparing' }, 'not_ready'],
    ['503', { kind: 'server' }, 'server'],
    ['a stale replica', { kind: 'stale', says: true }, 'stale'],
    ['JSON that is cut off', { kind: 'truncated' }, 'truncated'],
    ['a cut connection', { kind: 'cut' }, 'network'],
  ])('fails after %s five times, with code', async (_name, fault, code) => {
    city.failNext(fault, 5);
    expect((await failureOf(clientOf().ask(ecb, question))).code).toBe(code);
    expect(city.requests).toHaveLength(5);
  });

  it('waits as long as Retry-After says, and leaves what is too long to the next poll', async () => {
    city.failNext({ kind: 'throttled', retryAfter: '90' });
    await clientOf().ask(ecb, question);
    expect(waits).toEqual([90_000]);
    city.failNext({ kind: 'throttled', retryAfter: '3600' });
    const failure = await failureOf(clientOf().ask(ecb, question));
    expect(failure).toMatchObject({ code: 'throttled', retryAfterMs: 3_600_000 });
  });

  it('reads Retry-After as seconds and as a date', () => {
    expect(retryAfter('5', NOW)).toBe(5_000);
    expect(retryAfter('Fri, 08 May 2026 17:01:00 GMT', NOW)).toBe(60_000);
    expect(retryAfter('Fri, 08 May 2020 17:01:00 GMT', NOW)).toBe(0);
    expect(retryAfter('soon', NOW)).toBeUndefined();
  });
});

describe('a question that cannot succeed', () => {
  it('names the column that the city does not have, at once', async () => {
    city.failNext({ kind: 'missing-column', column: 'severity' });
    const failure = await failureOf(clientOf().ask(ecb, question));
    expect(failure).toMatchObject({ code: 'schema', column: 'severity' });
    expect(city.requests).toHaveLength(1);
  });

  it('names the column that no row of a page has, where no header lists the fields', async () => {
    const body = JSON.stringify([{ ecb_violation_number: '1', ecb_violation_status: 'ACTIVE', boro: '1' }]);
    const failure = await failureOf(clientOf({ fetch: async () => new Response(body) }).ask(ecb, question));
    expect(failure).toMatchObject({ code: 'schema', column: 'severity' });
  });

  it('is refused for an answer that is no list of rows', async () => {
    for (const body of ['{"error":true}', '[1]', '[null]', '[[]]', '"text"']) {
      const failure = await failureOf(clientOf({ fetch: async () => new Response(body) }).ask(ecb, question));
      expect(failure.code).toBe('schema');
    }
  });

  it.each<[string, Response, string]>([
    ['a web page', new Response('<!DOCTYPE html><html>'), 'truncated: ecb: the answer is a web page instead of rows'],
    [
      'an error with status 200',
      new Response('{"error": true}'),
      'schema: ecb: the answer is no list of rows: {"error": true}',
    ],
    [
      'a redirect',
      new Response(null, { status: 301, headers: { location: 'https://data.test/' } }),
      'network: ecb: redirected to https://data.test/; NYC_BASE_URL must be',
    ],
  ])('says that it got %s', async (_name, response, said) => {
    const failure = await failureOf(clientOf({ attempts: 1, fetch: async () => response }).ask(ecb, question));
    expect(`${failure.code}: ${failure.message}`).toContain(said);
  });

  it('follows no redirect, which would carry the token to another host', async () => {
    const hosts: (string | undefined)[] = [];
    const server = createServer((message, response) => {
      hosts.push(message.headers.host);
      response.writeHead(302, { location: `${city.url}/resource/${ecb.id}.json` }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const failure = await failureOf(clientOf({ attempts: 1, appToken: 'the-token', baseUrl }).ask(ecb, question));
    expect(failure.message).toContain(`redirected to ${city.url}`);
    expect({ hosts: hosts.length, city: city.requests.length }).toEqual({ hosts: 1, city: 0 });
  });

  it('is not repeated for a 4xx', async () => {
    const failure = await failureOf(clientOf().ask({ ...ecb, id: 'none-none' }, question));
    expect(failure.code).toBe('refused');
    expect(city.requests).toHaveLength(1);
  });

  it('times out when the body does not come', async () => {
    city.failNext({ kind: 'slow' }, 2);
    const failure = await failureOf(clientOf({ timeoutMs: 50, attempts: 2 }).ask(ecb, question));
    expect(failure.code).toBe('timeout');
  });

  it('gives up on an endless answer before it fills the memory', async () => {
    const endless: Server = createServer((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
    const baseUrl = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`;
    const failure = await failureOf(clientOf({ baseUrl, maxBytes: 1_000_000 }).ask(ecb, question));
    expect(failure.code).toBe('too_large');
    endless.closeAllConnections();
    await new Promise((resolve) => endless.close(resolve));
  });

  it('ends at once when the process stops, also while it waits', async () => {
    const stop = new AbortController();
    const clock: Clock = { ...hurried, after: () => () => undefined };
    city.failNext({ kind: 'server' });
    const asked = failureOf(
      clientOf({ clock, stopped: stop.signal, onAttempt: () => stop.abort() }).ask(ecb, question),
    );
    expect((await asked).code).toBe('stopped');
  });

  it('never shows the token', async () => {
    city.failNext({ kind: 'server' }, 5);
    const failure = await failureOf(clientOf({ appToken: 'the-token' }).ask(ecb, question));
    expect(city.requests[0]?.token).toBe('the-token');
    expect(`${failure.stack}${JSON.stringify(failure)}`).not.toContain('the-token');
  });
});

describe('pages', () => {
  const read = async (pageRows: number, by: string[]): Promise<string[]> => {
    const numbers: string[] = [];
    for await (const page of pagesOf(clientOf(), ecb, {
      select: question.select.concat(':updated_at'),
      by,
      pageRows,
    })) {
      for (const each of page.rows) numbers.push(cell(each, 'ecb_violation_number') ?? '');
    }
    return numbers;
  };

  it.each([1, 2, 5, 24, 25, 26])('of %i rows hold every row, though all share one :updated_at', async (pageRows) => {
    expect(new Set(await read(pageRows, [':updated_at', 'ecb_violation_number'])).size).toBe(25);
  });

  it('hold rows that share all of their ordering values across a boundary', async () => {
    for (let number = 0; number < 25; number += 1) city.insert(ecb.id, row(number));
    const numbers = await read(3, [':updated_at', 'ecb_violation_number']);
    for (let number = 0; number < 25; number += 1) {
      const each = String(number).padStart(4, '0');
      expect(numbers.filter((one) => one === each).length).toBeGreaterThanOrEqual(2);
    }
  });

  it('that fail in the middle end the reading with the failure, not early', async () => {
    const seen: number[] = [];
    const reading = (async () => {
      for await (const page of pagesOf(clientOf(), ecb, {
        select: question.select,
        by: ['ecb_violation_number'],
        pageRows: 10,
      })) {
        seen.push(page.rows.length);
        city.failNext({ kind: 'server' }, 5);
      }
    })();
    expect((await failureOf(reading)).code).toBe('server');
    expect(seen).toEqual([10]);
  });
});
