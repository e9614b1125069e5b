/** Proxies that end TLS before a gateway, each with its way of saying who the client is. */
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Certificates } from './certificates.js';

/** Says of a connection who the client is. `head` is the request's, without its empty line; returns what is sent instead. */
export type Says = (head: string, client: string) => string | Buffer;

const CRLF = '\r\n';

/** As load balancers that leave the client's own line where it is, and write theirs behind it. */
export const addsLine: Says = (head, client) => `${head}${CRLF}X-Forwarded-For: ${client}${CRLF}${CRLF}`;

/** As nginx' `$proxy_add_x_forwarded_for`, and with the port, as some do. */
export const extendsLine: Says = (head, client) => {
  const given = /^x-forwarded-for: (.*)$/im.exec(head)?.[1];
  const others = head.replace(/\r\nx-forwarded-for: .*/i, '');
  return `${others}${CRLF}X-Forwarded-For: ${given === undefined ? '' : `${given}, `}${client}:4711${CRLF}${CRLF}`;
};

/** A PROXY header, version 2, of TCP over IPv4, before the request as it came. */
export const proxyHeader: Says = (head, client) =>
  Buffer.concat([
    Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'),
    Buffer.from([...client.split('.').map(Number), 127, 0, 0, 1, 0x12, 0x67, 0x22, 0x3d]),
    Buffer.from(`${head}${CRLF}${CRLF}`, 'latin1'),
  ]);

export interface TlsProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** @param from the address that it reaches the gateway from */
export async function startTlsProxy(options: {
  readonly certificates: Certificates;
  readonly gatewayPort: number;
  readonly from: string;
  readonly says: Says;
}): Promise<TlsProxy> {
  const { certificates, from, gatewayPort, says } = options;
  const open = new Set<Socket>();
  const server = createServer(
    { cert: readFileSync(certificates.cert), key: readFileSync(certificates.key) },
    (client) => {
      const gateway = connect({ host: '127.0.0.1', port: gatewayPort, localAddress: from });
      for (const socket of [client, gateway]) {
        open.add(socket);
        socket.once('close', () => {
          open.delete(socket);
          client.destroy();
          gateway.destroy();
        });
        // Whoever hangs up first ends both; that is said by `close`.
        socket.on('error', () => undefined);
      }
      let head = '';
      client.on('data', function read(chunk: Buffer) {
        head += chunk.toString('latin1');
        const end = head.indexOf(`${CRLF}${CRLF}`);
        if (end === -1) return;
        client.off('data', read);
        gateway.write(says(head.slice(0, end), client.remoteAddress?.replace('::ffff:', '') ?? ''));
        gateway.write(head.slice(end + 2 * CRLF.length), 'latin1');
        client.pipe(gateway).pipe(client);
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
