/** What the activity lists hold: each event once, newest first. */
import { expect, it } from 'vitest';
import { type Activity, activityOf, merge } from './activity.js';

const entry = (id: string, timestamp: number, origin: Activity['origin'] = 'live'): Activity => ({
  key: `property:1012650001|${id}`,
  channel: 'property:1012650001',
  type: 'VIOLATION_UPDATE',
  property: '1012650001',
  label: 'HPD',
  message: id,
  severity: 'medium',
  timestamp,
  added: 1,
  resolved: 0,
  origin,
});
const keys = (list: readonly Activity[]) => list.map(({ message }) => message);

it('lists the newest first, and what happened in the same moment in the order of its channel', () => {
  // As a service has it that reports whole seconds.
  const ids = Array.from({ length: 12 }, (_, index) => `1767225600000-${index + 1}`);
  const { list } = merge([], [entry('1767225500000-40', 1_000), ...ids.map((id) => entry(id, 1_000))]);
  expect(keys(list)).toEqual([...ids.toReversed(), '1767225500000-40']);
  expect(keys(merge(list, [entry('1767225600000-13', 999)]).list).at(-1)).toBe('1767225600000-13');
});

it('lists an event once, by whichever ways it came, and tells of it once', () => {
  const first = merge([], [entry('7-1', 1), entry('7-1', 1)]);
  expect([keys(first.list), keys(first.news)]).toEqual([['7-1'], ['7-1']]);
  const again = merge(first.list, [entry('7-1', 1, 'replay'), entry('7-1', 1, 'snapshot')]);
  expect([keys(again.list), again.news]).toEqual([['7-1'], []]);
});

it('tells of an event that was known by a snapshot only, and counts it no second time', () => {
  const known = merge([], [entry('7-1', 1, 'snapshot')]);
  expect(keys(known.unseen)).toEqual(['7-1']);
  const { list, news, unseen } = merge(known.list, [entry('7-1', 1, 'replay')]);
  expect([keys(list), keys(news), unseen]).toEqual([['7-1'], ['7-1'], []]);
});

it('lists what a service says of a property under it, with its type in words and the message that it has, if any', () => {
  const document = { id: '7-1', channel: 'property:1012650001', type: 'document', timestamp: 1, status: 'signed' };
  expect(activityOf(document, 'live')).toMatchObject({ property: '1012650001', label: 'Document', message: '' });
  const told = activityOf({ ...document, channel: 'global', property_id: '1012650002', message: 'Signed' }, 'live');
  expect([told.property, told.message]).toEqual(['1012650002', 'Signed']);
  const own = { ...document, channel: 'user:landlord-7' };
  expect(activityOf(own, 'live').property).toBeUndefined();
  const labels = [
    'application_submitted',
    'SYSTEM_NOTIFICATION',
    'lease.signed',
    'kpi:update',
    'leaseSigned',
    'NYC',
  ].map((type) => activityOf({ ...own, type }, 'live').label);
  expect(labels).toEqual([
    'Application submitted',
    'System notification',
    'Lease signed',
    'Kpi update',
    'Lease signed',
    'NYC',
  ]);
});
