/** The channel log and the link without Redis, for simulations and tests. Production code does not import this. */
export * from './memory-bus.js';
export * from './memory-link.js';
export * from './memory-log.js';
export * from './memory-store.js';
export * from './pipe.js';
export * from './random.js';
export * from './virtual-clock.js';
