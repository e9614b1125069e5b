/** What users want to be told: written through the gateways, read by whoever delivers. */
export * from './access.js';
export type { Readable } from './concern.js';
export * from './preferences.js';
export * from './store.js';
export * from './undelivered.js';
export { SAY_WAYS_EVERY_MS } from './ways.js';
