/** What tests of the whole need: real Redis in every topology, real processes, a client, tokens. Nothing survives. */

export * from './browser.js';
export * from './city.js';
export * from './client.js';
export * from './deadline.js';
export * from './log.js';
export * from './ports.js';
export * from './processes.js';
export * from './redis.js';
export * from './redis-cluster.js';
export * from './redis-sentinel.js';
export * from './token.js';
