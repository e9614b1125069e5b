/**
 * WebSocket frames as no library sends them, after the families of the Autobahn test suite: framing, control frames,
 * reserved bits, opcodes, fragments, UTF-8, closes, limits. Each is answered or cut as RFC 6455 wants it; none concerns
 * anybody else.
 */
import { constants, deflateRawSync } from 'node:zlib';
import {
  connect,
  mintToken,
  startGateway,
  startRedis,
  type TestGateway,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BINARY, CLOSE, CONTINUATION, close, frame, openWebSocket, PING, PONG, type Raw, TEXT } from './raw.js';

let redis: TestRedis;
let gateway: TestGateway;
let honest: Awaited<ReturnType<typeof connect>>;
const open: Raw[] = [];

beforeAll(async () => {
  redis = await startRedis();
  // What ends a connection here is to be its frames: nobody has to have shown a token by then.
  const patient = { RATE_LIMIT_MESSAGES: '10000', AUTHENTICATION_DEADLINE_SECONDS: '300' };
  gateway = await startGateway({ REDIS_URL: redis.url, ...patient });
  honest = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'honest' }) });
  await honest.next('AUTHENTICATED');
});
afterEach(() => {
  for (const raw of open.splice(0)) raw.destroy();
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

async function attacker(): Promise<Raw> {
  const raw = await openWebSocket(gateway.port);
  open.push(raw);
  return raw;
}

/** The gateway, and somebody on it who did nothing wrong, are as before. */
async function nobodyElseIsConcerned() {
  await honest.settled();
  expect(gateway.logs().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
}

const PONG_BYTE = '\u008a';
const ping = JSON.stringify({ type: 'PING', ref: 'whole' });
const pingOf = (ref: string) => JSON.stringify({ type: 'PING', ref });
const fragments = (...parts: Buffer[]) => Buffer.concat(parts);
const halves = (text: string, at: number) => [
  frame({ opcode: TEXT, payload: Buffer.from(text).subarray(0, at), fin: false }),
  frame({ opcode: CONTINUATION, payload: Buffer.from(text).subarray(at) }),
];

describe('is understood', () => {
  it.each<[string, Buffer | Buffer[], RegExp]>([
    ['a text frame', frame({ opcode: TEXT, payload: ping }), /PONG","ref":"whole"/],
    ['a length in two bytes that needed none', frame({ opcode: TEXT, payload: ping, lengthBytes: 2 }), /"whole"/],
    ['a length in eight bytes that needed none', frame({ opcode: TEXT, payload: ping, lengthBytes: 8 }), /"whole"/],
    ['a text of 126 bytes', frame({ opcode: TEXT, payload: pingOf('r'.repeat(99)) }), /"r{99}"/],
    ['a text in two fragments', halves(ping, 5), /"whole"/],
    [
      'a text in fragments with empty ones among them',
      [
        frame({ opcode: TEXT, payload: '', fin: false }),
        frame({ opcode: CONTINUATION, payload: '', fin: false }),
        frame({ opcode: CONTINUATION, payload: ping }),
      ],
      /"whole"/,
    ],
    [
      'a ping between two fragments, answered before the text is',
      [
        frame({ opcode: TEXT, payload: ping.slice(0, 9), fin: false }),
        frame({ opcode: PING, payload: 'between' }),
        frame({ opcode: CONTINUATION, payload: ping.slice(9) }),
      ],
      new RegExp(`${PONG_BYTE}\\u0007between[^]*"whole"`),
    ],
    ['a character split over two fragments', halves(pingOf('é'), Buffer.from(pingOf('é')).indexOf(0xc3) + 1), /Ã©/],
    ['a ping without payload', frame({ opcode: PING }), new RegExp(`${PONG_BYTE}\\u0000`)],
    ['a ping of 125 bytes', frame({ opcode: PING, payload: 'p'.repeat(125) }), new RegExp(`${PONG_BYTE}}p{125}`)],
    [
      'a pong that nobody asked for',
      [frame({ opcode: PONG, payload: 'x' }), frame({ opcode: TEXT, payload: ping })],
      /"whole"/,
    ],
    ['the highest code point', frame({ opcode: TEXT, payload: pingOf('\u{10ffff}') }), /PONG/],
  ])('%s', async (_, bytes, answer) => {
    const raw = await attacker();
    raw.write(Array.isArray(bytes) ? fragments(...bytes) : bytes);
    await raw.until(answer);
    await nobodyElseIsConcerned();
  });

  it('a frame that comes one byte at a time', async () => {
    const raw = await attacker();
    for (const byte of frame({ opcode: TEXT, payload: ping })) {
      raw.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await raw.until(/"whole"/);
  });

  it.each<[string, Buffer]>([
    ['without a code', close()],
    ['with 1000', close(1000, 'bye')],
    ['with a code of an application', close(3000)],
    ['with a reason of 123 bytes', close(1000, 'r'.repeat(123))],
  ])('a close %s, which is answered with one', async (_, bytes) => {
    const raw = await attacker();
    const before = raw.received().length;
    raw.write(bytes);
    await within(raw.closed, 'close');
    expect(raw.received()[before]).toBe(0x80 | CLOSE);
  });
});

describe('ends the connection', () => {
  const text = (payload: Buffer) => frame({ opcode: TEXT, payload });
  it.each<[string, Buffer | Buffer[]]>([
    ...[1, 2, 4, 5, 7].map((reserved): [string, Buffer] => [
      `a frame with the reserved bits ${reserved.toString(2).padStart(3, '0')}`,
      frame({ opcode: TEXT, payload: ping, reserved }),
    ]),
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer] => [
      `the reserved opcode ${opcode}`,
      frame({ opcode, payload: ping }),
    ]),
    ['a ping of 126 bytes', frame({ opcode: PING, payload: 'p'.repeat(126) })],
    ['a pong of 126 bytes', frame({ opcode: PONG, payload: 'p'.repeat(126) })],
    ['a ping in fragments', frame({ opcode: PING, payload: 'p', fin: false })],
    ['a close in fragments', frame({ opcode: CLOSE, payload: '\x03\xe8', fin: false })],
    ['a continuation of nothing', frame({ opcode: CONTINUATION, payload: ping })],
    [
      'a second text before the first has ended',
      [frame({ opcode: TEXT, payload: '{', fin: false }), frame({ opcode: TEXT, payload: ping })],
    ],
    ['a text that is no UTF-8', text(Buffer.from([0x22, 0xc3, 0x28, 0x22]))],
    ['an overlong encoding', text(Buffer.from([0xc0, 0xaf]))],
    ['half of a surrogate', text(Buffer.from([0xed, 0xa0, 0x80]))],
    ['a code point above the highest', text(Buffer.from([0xf4, 0x90, 0x80, 0x80]))],
    ['a character that does not end', text(Buffer.from([0x22, 0xe2, 0x82]))],
    [
      'a text of two fragments, neither of which can be UTF-8',
      [
        frame({ opcode: TEXT, payload: Buffer.from([0xff]), fin: false }),
        frame({ opcode: CONTINUATION, payload: 'x' }),
      ],
    ],
    ['a text that says it is longer than may be', frame({ opcode: TEXT, claimed: 16_385, payload: 'x' })],
    ['a text that says it has 2^63 bytes', frame({ opcode: TEXT, claimed: 2n ** 63n, payload: 'x' })],
    ['a text that says it has 2^64 - 1 bytes', frame({ opcode: TEXT, claimed: 2n ** 64n - 1n, payload: 'x' })],
    [
      'fragments that together are longer than may be',
      [
        frame({ opcode: TEXT, payload: 'x'.repeat(16_000), fin: false }),
        frame({ opcode: CONTINUATION, payload: 'x'.repeat(500) }),
      ],
    ],
    ['a close of one byte', frame({ opcode: CLOSE, payload: 'x' })],
    ['a close with the code 999', close(999)],
    ['a close with the code 1005, which is never sent', close(1005)],
    ['a close with the code 1006, which is never sent', close(1006)],
    ['a close with the code 5000', close(5000)],
    ['a close whose reason is no UTF-8', close(1000, Buffer.from([0xff, 0xfe]))],
    ['a second request, in the clear', Buffer.from('GET /v1/state HTTP/1.1\r\nHost: a\r\n\r\n')],
  ])('%s', async (_, bytes) => {
    const raw = await attacker();
    raw.write(Array.isArray(bytes) ? fragments(...bytes) : bytes);
    await within(raw.closed, 'end of the connection');
    expect(raw.text()).not.toContain('"whole"');
    await nobodyElseIsConcerned();
  });
});

it('a text that turns binary midway is refused as a whole', async () => {
  const raw = await attacker();
  raw.write(
    fragments(
      frame({ opcode: TEXT, payload: ping.slice(0, 5), fin: false }),
      frame({ opcode: BINARY, payload: ping.slice(5) }),
    ),
  );
  await raw.until(/"code":"bad_message"/);
  expect(raw.text()).not.toContain('"whole"');
  await nobodyElseIsConcerned();
});

it('no compression is agreed on, whatever is offered: a frame that says it is packed ends the connection unread', async () => {
  const offer = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame';
  const raw = await openWebSocket(gateway.port, [offer]);
  open.push(raw);
  expect(raw.text()).not.toMatch(/sec-websocket-extensions/i);
  // A million letters, in a kilobyte.
  const bomb = deflateRawSync(Buffer.alloc(1_000_000, 'x'), { finishFlush: constants.Z_SYNC_FLUSH });
  raw.write(frame({ opcode: TEXT, reserved: 4, payload: bomb }));
  await within(raw.closed, 'end of the connection');
  await nobodyElseIsConcerned();
});

it('what comes behind a close is not done', async () => {
  const raw = await attacker();
  raw.write(fragments(close(1000), frame({ opcode: TEXT, payload: ping })));
  await within(raw.closed, 'end of the connection');
  expect(raw.text()).not.toContain('"whole"');
});

it('fragments without end cost no more than a frame may have: empty ones nothing, one-byte ones the limit', async () => {
  const raw = await attacker();
  raw.write(frame({ opcode: TEXT, payload: '', fin: false }));
  const one = frame({ opcode: CONTINUATION, payload: 'x', fin: false });
  for (let sent = 0; sent < 20_000 && !raw.socket.destroyed; sent += 500) {
    raw.write(Buffer.concat(Array<Buffer>(500).fill(one)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await within(raw.closed, 'end of the connection');
  await nobodyElseIsConcerned();
});
