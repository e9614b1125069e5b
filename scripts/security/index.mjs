// @ts-check
/** Every control, family by family, in the order of the table in docs/security.md. */
import { IDENTITY } from './identity.mjs';
import { LIMITS } from './limits.mjs';
import { REDIS } from './redis.mjs';
import { SUPPLY } from './supply.mjs';
import { WIRE } from './wire.mjs';
import { WORDS } from './words.mjs';

/** @typedef {import('./row.mjs').Control} Control */

/** @type {readonly Control[]} */
export const CONTROLS = [...IDENTITY, ...WIRE, ...LIMITS, ...WORDS, ...REDIS, ...SUPPLY];
