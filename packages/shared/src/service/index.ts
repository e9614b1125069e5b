/** What every process needs: settings, logs, metrics, health, shutdown. */
export * from './backoff.js';
export * from './budgets.js';
export * from './clock.js';
export * from './foreign.js';
export * from './listen.js';
export * from './logger.js';
export * from './metrics.js';
export * from './operator-routes.js';
export * from './operator-server.js';
export * from './origins.js';
export * from './process.js';
export * from './redis-trouble.js';
export * from './secret-files.js';
export * from './settings.js';
export * from './shutdown.js';
