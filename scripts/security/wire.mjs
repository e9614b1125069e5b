// @ts-check
/** What comes over the clients’ port before it means anything: upgrades, frames, floods, TLS. */
import { ASVS, GATEWAY, OWASP, row, WEBSOCKET } from './row.mjs';

/** @type {readonly import('./row.mjs').Control[]} */
export const WIRE = [
  row(
    'handshake',
    'Only upgrades to WebSocket 13 are upgrades',
    'e2e/hostile/handshake.test.ts',
    'an upgrade of another version',
    `${GATEWAY}/transport/server.js`,
    "request.getHeader('sec-websocket-version') !== '13'",
    'false',
    `${WEBSOCKET} section 4.2`,
  ),
  row(
    'size',
    'Frames longer than the limit end the connection, in one piece or in many',
    'e2e/hostile/wire.test.ts',
    'fragments',
    `${GATEWAY}/transport/server.js`,
    'maxPayloadLength: options.maxMessageBytes',
    'maxPayloadLength: 16777216',
    `${OWASP}; ws CVE-2026-48779`,
  ),
  row(
    'flood',
    'Strangers who flood a connection are cut off before their frames are read, and their address pays for it',
    'packages/gateway/src/session/session.test.ts',
    'a stranger is cut off',
    'packages/gateway/src/session/session.ts',
    'if (this.#strangersFrames <= MAX_STRANGERS_FRAMES) return true;',
    'if (this.#strangersFrames <= 1e9) return true;',
    'fault list: malformed frames',
  ),
  row(
    'slow',
    'Who does not read is cut off within a byte budget',
    'e2e/slow-consumer.test.ts',
    'cuts off who does not read',
    `${GATEWAY}/transport/server.js`,
    'maxBackpressure: options.maxBackpressureBytes',
    'maxBackpressure: 0',
    '[NATS](https://docs.nats.io/nats-server/nats_admin/slow_consumers)',
  ),
  row(
    'paced',
    'Replays are paced by what the client reads: no longer history waits in memory, and nobody is cut off for it',
    'e2e/slow-consumer.test.ts',
    'replays a history',
    `${GATEWAY}/session/paced-replay.js`,
    'this.#full = true;',
    '',
    'fault list: replay abuse, slow consumer',
  ),
  row(
    'tls-clients',
    'TLS for clients',
    'e2e/hostile/tls.test.ts',
    'a client without TLS',
    `${GATEWAY}/transport/server.js`,
    'tls ? SSLApp',
    'false ? SSLApp',
    `${ASVS} 4.4.1`,
  ),
];
