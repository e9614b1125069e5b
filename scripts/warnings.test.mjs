/** Redis away for a minute is three lines in the terminal, not three hundred. */
import { expect, it } from 'vitest';
import { createWarnings } from './warnings.mjs';

const lost = JSON.stringify({ level: 'warn', msg: 'queue lost Redis', err: { message: 'connect ECONNREFUSED' } });
const back = JSON.stringify({ level: 'info', msg: 'queue has Redis again' });
const down = JSON.stringify({ level: 'warn', msg: 'link down' });

it('shows the same line once, and with a count when it still comes after half a minute', () => {
  let time = 0;
  const shown = createWarnings(() => time);
  expect(shown(lost, false)).toBe('queue lost Redis: connect ECONNREFUSED');
  expect(shown(down, false)).toBe('link down');
  for (let n = 0; n < 100; n += 1) for (const line of [lost, down]) expect(shown(line, false)).toBeUndefined();
  time = 30_000;
  expect(shown(lost, false)).toBe('queue lost Redis: connect ECONNREFUSED (100 times more since it was last said)');
  expect(shown(lost, false)).toBeUndefined();
});

it('shows that it is over, to whom the trouble was shown, and the next trouble at once', () => {
  const shown = createWarnings(() => 0);
  expect(shown(back, false)).toBeUndefined();
  expect(shown(lost, false)).toContain('queue lost Redis');
  expect(shown(back, false)).toBe('queue has Redis again');
  expect(shown(back, false)).toBeUndefined();
  expect(shown(lost, false)).toBe('queue lost Redis: connect ECONNREFUSED');
});

it('shows no line of level info, and those of a crash all', () => {
  const shown = createWarnings(() => 0);
  expect(shown(JSON.stringify({ level: 'info', msg: 'listening' }), true)).toBeUndefined();
  for (let n = 0; n < 2; n += 1) expect(shown('    at main.js:1', true)).toBe('    at main.js:1');
  expect(shown('{ not a log line', true)).toBe('{ not a log line');
  expect(shown('Debugger listening', false)).toBeUndefined();
});
