/** What a connection runs over, and the usual one: a WebSocket. */
import type { ClientMessage } from '@belfry/shared/protocol';
import type { WebSocketConstructor } from './api.js';

export interface TransportEvents {
  /** One frame of the gateway, not yet parsed; undefined for a binary one, which Belfry never sends. */
  frame(text: string | undefined): void;
  /** At most once, and not after `close`. */
  closed(code: number, reason: string): void;
}

export interface Transport {
  send(message: ClientMessage): void;
  /** Silent from now on, whatever the network still brings. */
  close(): void;
}

/** @throws where the URL or the page's security policy does not allow it */
export type OpenTransport = (url: string, token: string | undefined, events: TransportEvents) => Transport;

interface SocketLike {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
  send(text: string): void;
  close(code: number): void;
}

export const webSocketTransport =
  (WebSocket: WebSocketConstructor): OpenTransport =>
  (url, _token, events) => {
    const socket = new WebSocket(url) as SocketLike;
    socket.onmessage = ({ data }) => events.frame(typeof data === 'string' ? data : undefined);
    socket.onclose = ({ code, reason }) => events.closed(code, reason);
    // A close follows every error. The handler stays for ever: `ws` throws errors that nobody listens to.
    socket.onerror = () => undefined;
    return {
      send: (message) => socket.send(JSON.stringify(message)),
      close: () => {
        // A dead network delays `onclose` by minutes, so it is not waited for.
        socket.onmessage = socket.onclose = null;
        socket.close(1000);
      },
    };
  };
