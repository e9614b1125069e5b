/** Listens at an address that two variables name, `<SIDE>_HOST` and `<SIDE>_PORT`: where that fails, the wrong one is said. */
import type { AddressInfo, Server } from 'node:net';
import { ConfigurationError } from './settings.js';

export interface ListenAddress {
  /** What the variables' names begin with, as `OPERATOR`. */
  readonly side: string;
  readonly host: string;
  readonly port: number;
}

const WRONG_PORT: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process does',
  EACCES: 'the system does not allow it to this process',
};
const WRONG_HOST: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'it is no address of this machine',
  EINVAL: 'it is no address of this machine',
  EAFNOSUPPORT: 'this machine has no addresses of this kind',
  ENOTFOUND: 'it is no address, nor a name of one that can be looked up',
  EAI_AGAIN: 'it is no address, and names cannot be looked up now',
};

/**
 * @returns the port, which the system chose where 0 was given
 * @throws ConfigurationError that names the variable: the supervisor tries again, and its log says what to change
 */
export async function listenAt(server: Server, address: ListenAddress): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, resolve);
    });
  } catch (cause) {
    throw new ConfigurationError(sentence(address, cause as NodeJS.ErrnoException), { cause });
  }
  return (server.address() as AddressInfo).port;
}

function sentence({ side, host, port }: ListenAddress, { code = '', message }: NodeJS.ErrnoException): string {
  const [hostSaid, portSaid] = [`${side}_HOST=${JSON.stringify(host)}`, `${side}_PORT=${port}`];
  if (WRONG_PORT[code]) return `${portSaid} cannot be listened on: ${WRONG_PORT[code]}`;
  if (WRONG_HOST[code]) return `${hostSaid} cannot be listened on: ${WRONG_HOST[code]}`;
  return `${hostSaid} with ${portSaid} cannot be listened on: ${message}`;
}
