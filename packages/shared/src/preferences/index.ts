/** What users want to be told: written through the gateways, read by whoever delivers. */
export * from './preferences.js';
export * from './store.js';
