/** What can be set about sources, from the environment. */
import { flag, integer, list, secret, url } from '@belfry/shared/service';
import { isBbl } from './nyc/bbl.js';
import { DATASET_NAMES } from './nyc/datasets.js';

const notIn = (allowed: readonly string[]) => (names: readonly string[]) => {
  const unknown = names.find((name) => !allowed.includes(name));
  return unknown === undefined ? undefined : `must be of ${allowed.join(', ')}; ${JSON.stringify(unknown)} is not`;
};

export const sourceSettings = {
  SOURCES_ENABLED: flag({
    text: 'Whether NYC Open Data is polled for the properties that are watched',
    default: 'true',
  }),
  NYC_BASE_URL: url({
    text: 'Where NYC Open Data is',
    default: 'https://data.cityofnewyork.us',
    protocols: ['https:', 'http:'],
  }),
  NYC_APP_TOKEN: secret({
    text: 'Application token of NYC Open Data, sent as X-App-Token; without one the city throttles by address',
    default: '',
  }),
  NYC_DATASETS: list({
    text: `Which datasets are polled, of ${DATASET_NAMES.join(', ')}`,
    default: DATASET_NAMES.join(','),
    check: notIn(DATASET_NAMES),
  }),
  NYC_POLL_SECONDS: integer({
    text: 'How often each dataset is polled; the city publishes once a day',
    default: '300',
    min: 5,
    max: 86_400,
    unit: 'seconds',
  }),
  NYC_PAGE_ROWS: integer({
    text: 'Rows asked for at once',
    default: '2000',
    min: 1,
    max: 50_000,
    unit: 'rows',
  }),
  NYC_RECONCILE_HOURS: integer({
    text: 'How often every watched property is read in full, since the city does not announce deletions',
    default: '24',
    min: 1,
    max: 720,
    unit: 'hours',
  }),
  WATCH_PROPERTIES: list({
    text: 'Properties (BBLs) that are watched whether or not somebody subscribes to them',
    default: '',
    check: (bbls) => {
      const wrong = bbls.find((bbl) => !isBbl(bbl));
      return wrong === undefined ? undefined : `must hold BBLs of ten digits; ${JSON.stringify(wrong)} is none`;
    },
  }),
  WATCH_MAX_PROPERTIES: integer({
    text: 'With so many watched properties, new subscriptions add no more; each costs questions to the city',
    default: '50000',
    min: 0,
    max: 1_000_000,
    unit: 'properties',
  }),
  DEMO_FEED: flag({ text: 'Whether made-up changes of example properties are reported', default: 'false' }),
} as const;
