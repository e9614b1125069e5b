/** The wire, version 1: pure, runs in a browser, imports nothing of Node. */
export * from './board.js';
export * from './board-view.js';
export * from './channels.js';
export * from './codes.js';
export * from './depth.js';
export * from './events.js';
export * from './fields.js';
export * from './messages.js';
export * from './position.js';
