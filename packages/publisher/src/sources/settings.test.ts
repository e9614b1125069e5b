/** A wrong setting is named with what is allowed; the defaults are those of the documentation. */
import { readSettings } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { sourceSettings } from './settings.js';

it('without anything set, all datasets are polled every five minutes and nothing is watched', () => {
  expect(readSettings(sourceSettings, {})).toEqual({
    SOURCES_ENABLED: true,
    NYC_BASE_URL: 'https://data.cityofnewyork.us',
    NYC_APP_TOKEN: '',
    NYC_DATASETS: ['dob-bis', 'dob-now', 'ecb', 'hpd'],
    NYC_POLL_SECONDS: 300,
    NYC_PAGE_ROWS: 2_000,
    NYC_RECONCILE_HOURS: 24,
    WATCH_PROPERTIES: [],
    WATCH_MAX_PROPERTIES: 50_000,
    DEMO_FEED: false,
  });
});

it('unknown datasets and properties that are no BBL are refused', () => {
  expect(() => readSettings(sourceSettings, { NYC_DATASETS: 'hpd,fdny' })).toThrow(/NYC_DATASETS.*fdny/);
  expect(() => readSettings(sourceSettings, { WATCH_PROPERTIES: '1007200055,456' })).toThrow(/WATCH_PROPERTIES.*456/);
  expect(() => readSettings(sourceSettings, { NYC_POLL_SECONDS: '0' })).toThrow(/5 to 86400 seconds/);
});
