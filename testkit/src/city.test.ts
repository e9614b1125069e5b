/** The stub of the city answers as the real one is documented to: three-valued conditions, order, pages, system fields. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type City, startCity } from './city.js';

const SET = 'test-data';
let time = Date.parse('2026-05-08T17:00:00Z');
let city: City;

beforeEach(async () => {
  city = await startCity({ now: () => time, numbers: ['n'] });
  for (const [n, text] of [
    ['9', 'alpha'],
    ['10', "o'brien"],
    ['11', undefined],
  ] as const) {
    city.insert(SET, { n, ...(text ? { text } : {}) });
    time += 1_000;
  }
});
afterEach(() => city.close());

async function ask(
  query: Record<string, string>,
): Promise<{ status: number; body: Record<string, string>[]; headers: Headers }> {
  const response = await fetch(`${city.url}/resource/${SET}.json?${new URLSearchParams(query)}`);
  return {
    status: response.status,
    body: (await response.json()) as Record<string, string>[],
    headers: response.headers,
  };
}
const where = async (condition: string) => (await ask({ $where: condition, $order: 'n' })).body.map(({ n }) => n);

it('compares numbers as numbers and texts as texts', async () => {
  expect(await where("n > '9'")).toEqual(['10', '11']);
  expect(await where("text = 'o''brien' OR text LIKE 'al%'")).toEqual(['9', '10']);
  expect(await where("n in('9','11') AND NOT (n = 9)")).toEqual(['11']);
  expect((await ask({ $where: "n = 'x'" })).status).toBe(400);
});

it('knows that a comparison with an absent value is neither true nor false', async () => {
  expect(await where("text != 'alpha'")).toEqual(['10']);
  expect(await where("NOT (text = 'alpha')")).toEqual(['10']);
  expect(await where("text NOT LIKE 'al%'")).toEqual(['10']);
  expect(await where("text IS NULL OR text != 'alpha'")).toEqual(['10', '11']);
  expect(await where('text IS NOT NULL')).toEqual(['9', '10']);
});

it('selects, orders and pages', async () => {
  const { body, headers } = await ask({ $select: ':updated_at,n', $order: 'n DESC', $limit: '1', $offset: '1' });
  expect(body).toEqual([{ n: '10', ':updated_at': expect.stringMatching(/^2026-/) }]);
  expect(headers.get('x-soda2-fields')).toBe('[":updated_at","n"]');
  expect((await ask({})).body[0]).toEqual({ n: '9', text: 'alpha' });
  expect((await ask({ $select: 'count(*) as rows,min(n) as least,max(text) as last' })).body).toEqual([
    { rows: '3', least: '9', last: "o'brien" },
  ]);
});

it('refuses columns that it does not have and questions that it does not understand', async () => {
  expect((await ask({ $select: 'none' })).body).toMatchObject({ code: 'query.soql.no-such-column' });
  expect((await ask({ $where: "none = '1'" })).status).toBe(400);
  expect((await ask({ $where: 'n = ' })).status).toBe(400);
});

it('stamps what is altered, and everything when it replaces itself', async () => {
  const [before] = city.rows(SET);
  city.update(SET, (row) => row.n === '9', { text: 'beta' });
  const [updated] = city.rows(SET);
  expect(updated).toMatchObject({ text: 'beta', ':id': before?.[':id'], ':created_at': before?.[':created_at'] });
  expect(updated?.[':updated_at'] ?? '').not.toBe(before?.[':updated_at']);
  city.replace(SET);
  expect(city.rows(SET).map((row) => row[':id'])).not.toContain(before?.[':id']);
});
