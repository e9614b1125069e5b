/** Who somebody is, and what they may read. */
export * from './access-table.js';
export * from './authorise.js';
export * from './board-readers.js';
export * from './identity.js';
export * from './operator-check.js';
export * from './settings.js';
export * from './verification.js';
export * from './verifier.js';
