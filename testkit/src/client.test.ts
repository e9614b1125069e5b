import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { connect, UpgradeRefused } from './client.js';
import { eventually } from './deadline.js';

let server: WebSocketServer;
let url: string;

beforeEach(async () => {
  server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    verifyClient: (info: { req: { url?: string } }) => info.req.url !== '/refused',
  });
  await new Promise((resolve) => server.once('listening', resolve));
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  for (const socket of server.clients) socket.terminate();
  server.close();
});

const onConnection = (handle: (socket: WebSocket, headers: Record<string, unknown>) => void) =>
  server.on('connection', (socket, request) => handle(socket, request.headers));

describe('the test client', () => {
  it('has the frames that came together with the answer to the upgrade', async () => {
    onConnection((socket) => socket.send('{"type":"WELCOME"}'));
    const client = await connect(url);
    expect(await client.next('WELCOME')).toEqual({ type: 'WELCOME' });
  });

  it('takes the first frame that matches and keeps those it passed over, in order', async () => {
    onConnection((socket) => {
      for (const n of [1, 2, 3]) socket.send(JSON.stringify({ type: 'A', n }));
      socket.send('{"type":"B"}');
    });
    const client = await connect(url);
    await client.next('B');
    expect((await client.next('A', (frame) => frame.n === 2)).n).toBe(2);
    expect((await client.take(2, 'A')).map((frame) => frame.n)).toEqual([1, 3]);
    expect(client.received).toHaveLength(4);
  });

  it('says what came instead when a frame does not', async () => {
    onConnection((socket) => socket.send('{"type":"ERROR","code":"forbidden"}'));
    const client = await connect(url);
    await eventually('the frame that came instead', () => client.pending('ERROR').length === 1);
    const waiting = client.next('SUBSCRIBED', undefined, { deadlineMs: 200 });
    await expect(waiting).rejects.toThrow(/no SUBSCRIBED within 0.2 s; received: .*forbidden/);
  });

  it('fails at once, with the close code, when the connection ends first', async () => {
    onConnection((socket) => socket.close(4101, 'token expired'));
    const client = await connect(url);
    await expect(client.next('WELCOME')).rejects.toThrow('4101 token expired');
    expect(await client.closed).toEqual({ code: 4101, reason: 'token expired' });
  });

  it('has everything that was sent before once it is settled', async () => {
    onConnection((socket) =>
      socket.on('message', (data) => {
        socket.send('{"type":"EARLIER"}');
        socket.send(JSON.stringify({ ...JSON.parse(String(data)), type: 'PONG' }));
      }),
    );
    const client = await connect(url);
    await client.settled();
    expect(client.pending('EARLIER')).toHaveLength(1);
  });

  it('sends the token in the header and names the status of a refused upgrade', async () => {
    onConnection((socket, headers) => socket.send(JSON.stringify({ type: 'HEADER', value: headers.authorization })));
    const client = await connect(url, { token: 'abc' });
    expect((await client.next('HEADER')).value).toBe('Bearer abc');
    await expect(connect(`${url}/refused`)).rejects.toThrow(UpgradeRefused);
  });
});
