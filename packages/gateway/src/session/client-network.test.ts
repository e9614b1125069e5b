/** Limits per address. */
import { expect, it } from 'vitest';
import { networkOf } from './client-network.js';

it.each([
  ['198.51.100.1', '198.51.100.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['::198.51.100.1', '0:0:0:0::/64'],
])('of %s count as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
