/** Who is connected, and who watches what: written by gateways, read by whoever wants to know. */
export * from './keys.js';
export * from './reader.js';
export * from './settings.js';
export * from './writer.js';
