/** What is told of Centrifugo is what is built. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CENTRIFUGO_VERSION } from './names.js';

it('names the version of Centrifugo that its module pins', () => {
  const module = readFileSync(new URL('../peers/centrifugo/go.mod', import.meta.url), 'utf8');
  expect(/require github\.com\/centrifugal\/centrifugo\/v\d+ v(\S+)/.exec(module)?.[1]).toBe(CENTRIFUGO_VERSION);
});
