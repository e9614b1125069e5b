/** What is said of a token before any gateway has seen it. */
import { expect, it } from 'vitest';
import { tokenError } from './token.js';

const tokenOf = (claims: object) => `header.${btoa(JSON.stringify(claims))}.signature`;

it.each([
  ['nothing', '', 'a token has three parts, divided by dots'],
  ['words', 'not a token', 'a token has three parts, divided by dots'],
  ['three words', 'bad.bad.bad', 'names no user'],
  ['claims without a user', tokenOf({ role: 'LANDLORD' }), 'names no user'],
  ['a token of the past', tokenOf({ sub: 'landlord-7', exp: 1 }), 'has expired'],
])('says what is wrong with %s', (_, token, sentence) => {
  expect(tokenError(token)).toContain(sentence);
});

it('leaves it to the gateway to judge what looks like a token', () => {
  expect(tokenError(` ${tokenOf({ user_id: 'landlord-7' })}\n`)).toBeUndefined();
});
