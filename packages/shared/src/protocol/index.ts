/** The wire, version 1: pure, runs in a browser, imports nothing of Node. */
export * from './channels.js';
export * from './codes.js';
export * from './events.js';
export * from './fields.js';
export * from './messages.js';
export * from './position.js';
