/** For services that report to Belfry: `createReporter({ url })` over HTTP, `createRedisReporter({ redis })` through Redis. */
export * from './changes.js';
export { type Patience, type ReportOptions, ReportRefused, ReportUnavailable } from './door.js';
export * from './http-reporter.js';
export * from './messages.js';
export * from './redis-reporter.js';
export type { Accepted, BoardReporter, Reporter } from './reporter.js';
