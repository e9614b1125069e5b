/** What clients see of a source, whatever fails between what its poll found and the board. */
import { createLogger } from '@belfry/shared/service';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Dataset } from './dataset.js';
import { datasetsNamed } from './datasets.js';
import { CityFailure } from './failure.js';
import { createSourceStates, type SourceState, type SourceStates } from './state.js';

const DATA_AS_OF = Date.parse('2026-05-04T09:00:00Z');
const [hpd] = datasetsNamed(['hpd']) as [Dataset];
const failure = new CityFailure('network', 'the city is away');

let redis: TestRedis;
/** All that the intake took. */
const board: string[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.connect().flushall();
  board.length = 0;
});

const take = async ({ state }: SourceState): Promise<void> => void board.push(state);
const refuse = async (): Promise<void> => {
  throw new Error('the intake is away');
};
const publisher = (announce: (state: SourceState) => Promise<void> = take): SourceStates =>
  createSourceStates({
    redis: redis.connect(),
    prefix: 'test',
    datasets: [hpd],
    now: Date.now,
    logger: createLogger('test', 'silent'),
    announce,
  });

it('a state is announced once, also where another publisher polls next', async () => {
  const first = publisher();
  await first.succeeded(hpd, DATA_AS_OF);
  await first.succeeded(hpd, DATA_AS_OF);
  await publisher().succeeded(hpd, DATA_AS_OF);
  expect(board).toEqual(['ok']);
});

it('another state, error or time of data is announced', async () => {
  const states = publisher();
  await states.succeeded(hpd, DATA_AS_OF);
  await states.succeeded(hpd, DATA_AS_OF + 1_000);
  await states.failed(hpd, failure);
  await states.failed(hpd, new CityFailure('schema', 'a column is missing'));
  await states.failed(hpd, new CityFailure('stale', 'an old replica'));
  expect(board).toEqual(['ok', 'ok', 'failing', 'failing', 'stale']);
});

it('a state that was refused is shown to operators at once, and announced after a restart', async () => {
  await publisher().succeeded(hpd, DATA_AS_OF);
  const refused = publisher(refuse);
  await refused.failed(hpd, failure);
  expect(await refused.list()).toMatchObject([{ state: 'failing' }]);
  await publisher().failed(hpd, failure);
  expect(board).toEqual(['ok', 'failing']);
});

it('a publisher that dies when the intake has taken a state leaves no wrong one on the board', async () => {
  await publisher().succeeded(hpd, DATA_AS_OF);
  await new Promise<void>((resolve) => {
    const dying = publisher(async (state) => {
      await take(state);
      resolve();
      // It never hears of it.
      return new Promise(() => undefined);
    });
    dying.failed(hpd, failure);
  });
  // As it was before: what differs is the board alone.
  await publisher().succeeded(hpd, DATA_AS_OF);
  expect(board).toEqual(['ok', 'failing', 'ok']);
});

it('a publisher that dies before the intake has taken a state has it announced by the next one', async () => {
  await publisher().succeeded(hpd, DATA_AS_OF);
  await new Promise<void>((resolve) => {
    const dying = publisher(async () => {
      resolve();
      return new Promise(() => undefined);
    });
    dying.failed(hpd, failure);
  });
  await publisher().failed(hpd, failure);
  expect(board).toEqual(['ok', 'failing']);
});
