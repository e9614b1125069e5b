import { expect, it } from 'vitest';
import { sourceEvent } from './reporting.js';

it('tells clients how a source is, and nothing of what its error says', () => {
  const event = sourceEvent({
    source: 'hpd',
    dataset: 'wvxf-dwi5',
    violation_type: 'HPD',
    state: 'failing',
    since: 100,
    checked_at: 90,
    data_as_of: 80,
    error: 'network',
    message: 'wvxf-dwi5: connect ECONNREFUSED 10.0.0.7:443',
  });
  expect(event).toEqual({
    channel: 'state:sources',
    type: 'source_state',
    key: 'hpd',
    source: 'hpd',
    violation_type: 'HPD',
    state: 'failing',
    since: 100,
    checked_at: 90,
    data_as_of: 80,
    error: 'network',
  });
});
