/** The channel log, the link that follows it live, and the connections under both. */
export * from './connection.js';
export * from './exec.js';
export { isWrongType } from './failure.js';
export * from './generations.js';
export * from './keys.js';
export * from './link.js';
export * from './log.js';
export * from './redis-log.js';
export * from './retention.js';
export * from './settings.js';
