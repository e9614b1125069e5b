/** What messages are headed with. */
import { expect, it } from 'vitest';
import { activityOf } from '../state/activity.js';
import { titleOf } from './title.js';

const titleFor = (fields: Readonly<Record<string, unknown>>) =>
  titleOf(activityOf({ id: '7-1', channel: 'user:landlord-7', type: 'document', timestamp: 1, ...fields }, 'live'));

it('says where it happened and what it is, unless the message says that by itself', () => {
  expect(titleFor({ channel: 'property:1012650001' })).toBe('Manhattan 1265–1 · Document');
  expect(titleFor({ channel: 'property:1012650001', message: 'Lease signed' })).toBe('Manhattan 1265–1 · Document');
  expect(titleFor({ type: 'application_submitted' })).toBe('For you · Application submitted');
  expect(titleFor({ message: 'Your permit has arrived' })).toBe('For you');
  expect(titleFor({ channel: 'role:manager', type: 'SYSTEM_NOTIFICATION', message: 'At 22:00' })).toBe('Announcement');
});
