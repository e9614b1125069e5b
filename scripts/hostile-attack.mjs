// @ts-check
/**
 * One attacker, as hard as one process can: `node hostile-attack.mjs <attack> <port>`. With `sink` in place of the port it
 * does the same to a server of its own, in the same process. Ended by its parent.
 */
import { connect, createServer } from 'node:net';

const [attack = '', target = ''] = process.argv.slice(2);
let port = Number(target);
const address = () => `127.0.${1 + Math.floor(Math.random() * 200)}.${1 + Math.floor(Math.random() * 200)}`;
const UPGRADE = (/** @type {string} */ more = '') =>
  `GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;
const masked = (/** @type {number} */ opcode, /** @type {string} */ text) => {
  const head = Buffer.from([opcode, 0x80 | text.length, 0, 0, 0, 0]);
  return Buffer.concat([head, Buffer.from(text)]);
};
const many = (/** @type {Buffer} */ bytes, count = 200) => Buffer.concat(Array(count).fill(bytes));

/** An attacker has other things to do than to wait: who is kept waiting gives up, and comes back twice while that keeps busier. */
const PATIENCE_MS = 50;
const MOST_LANES = 1_000;
const BUSY = 0.9;
let lanes = 0;
let busy = 0;
let before = performance.eventLoopUtilization();
setInterval(() => {
  const now = performance.eventLoopUtilization();
  busy = performance.eventLoopUtilization(now, before).utilization;
  before = now;
}, 100).unref();
/** @param {import('node:net').Socket} socket @param {() => void} again */
function impatient(socket, again) {
  const giveUp = () => {
    socket.destroy();
    if (lanes >= MOST_LANES || busy > BUSY) return;
    lanes += 1;
    again();
  };
  const timer = setTimeout(giveUp, PATIENCE_MS);
  const goOn = () => timer.refresh();
  socket.on('data', goOn).on('drain', goOn);
  socket.once('close', () => clearTimeout(timer));
}

/** @param {string} first @param {Buffer} [again] written whenever there is room @param {boolean} [reads] */
function hold(first, again, reads = true) {
  const socket = connect({ host: '127.0.0.1', port, localAddress: address() });
  socket.on('error', () => undefined);
  if (again) impatient(socket, () => hold(first, again, reads));
  socket.once('connect', () => {
    socket.write(first);
    const pump = () => {
      while (again && !socket.destroyed && socket.write(again));
    };
    if (again) socket.on('drain', pump);
    pump();
  });
  if (reads) socket.resume();
  socket.once('close', () => setTimeout(() => hold(first, again, reads), 10));
}
/** Comes and goes. @param {string} text @param {number} count */
function churn(text, count) {
  const once = () => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: address() });
    socket.on('error', () => undefined);
    impatient(socket, once);
    socket.once('connect', () => socket.write(text));
    socket.once('data', () => socket.destroy());
    socket.once('close', () => setImmediate(once));
  };
  for (let n = 0; n < count; n += 1) once();
}

/** @type {Record<string, () => void>} */
export const ATTACKS = {
  'connects and goes': () => churn(UPGRADE(), 50),
  'forged tokens': () =>
    churn(UPGRADE(`Authorization: Bearer ${'eyJhbGciOiJIUzI1NiJ9.e30.'.padEnd(400, 'x')}\r\n`), 50),
  'requests over HTTP': () => churn('GET /v1/state?channel=property:1 HTTP/1.1\r\nHost: a\r\n\r\n', 50),
  pings: () => Array.from({ length: 20 }, () => hold(UPGRADE(), many(masked(0x89, '')))),
  'frames that are no JSON': () => Array.from({ length: 20 }, () => hold(UPGRADE(), many(masked(0x81, '{"type":')))),
  'tiny fragments': () => Array.from({ length: 20 }, () => hold(UPGRADE(), many(masked(0x00, 'x')))),
  'never reads': () => Array.from({ length: 50 }, () => hold(UPGRADE(), many(masked(0x89, 'x'.repeat(100))), false)),
  'half requests': () => Array.from({ length: 1_000 }, () => hold('GET /ws HTTP/1.1\r\nHost: a\r\n')),
};

/** Answers once, as a gateway does, and takes whatever comes. */
async function openSink() {
  const sink = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    socket.resume();
  });
  await new Promise((listening) => sink.listen(0, '127.0.0.1', () => listening(undefined)));
  return /** @type {import('node:net').AddressInfo} */ (sink.address()).port;
}

if (target === 'sink') port = await openSink();
if (attack) ATTACKS[attack]?.();
