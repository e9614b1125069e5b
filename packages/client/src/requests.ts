/** Commands with an answer: kept until there is a connection, asked again on the next one, matched to answers by `ref`. */
import type { ClientMessage, ErrorMessage, EventMessage, GatewayMessage, Ref } from '@belfry/shared/protocol';
import type { CommandOptions } from './api.js';
import { BelfryError } from './errors.js';

interface Pending {
  readonly message: ClientMessage & { readonly ref: Ref };
  sent: boolean;
  answer(message: GatewayMessage): void;
  fail(error: unknown): void;
}

export interface Requests {
  /** @throws BelfryError with the gateway's code; the signal's reason; `closed` */
  ask<T>(message: ClientMessage & { readonly ref: Ref }, options?: CommandOptions): Promise<T>;
  /** The next one that was not sent over this connection. */
  next(): ClientMessage | undefined;
  /** True when the message was an answer to one of these. */
  receive(message: GatewayMessage | EventMessage): boolean;
  detach(): void;
  /** Nothing will be answered any more. */
  fail(error: BelfryError): void;
}

export function createRequests(poke: () => void): Requests {
  const pending = new Map<Ref, Pending>();

  return {
    ask: <T>(message: Pending['message'], { signal }: CommandOptions = {}) =>
      new Promise<T>((resolve, reject) => {
        signal?.throwIfAborted();
        const end = (): void => {
          pending.delete(message.ref);
          signal?.removeEventListener('abort', aborted);
        };
        const fail = (error: unknown): void => {
          end();
          reject(error);
        };
        const aborted = (): void => fail(signal?.reason);
        const answer = (reply: GatewayMessage): void => {
          end();
          resolve(reply as T);
        };
        signal?.addEventListener('abort', aborted);
        pending.set(message.ref, { message, sent: false, answer, fail });
        poke();
      }),
    next: () => {
      for (const request of pending.values()) {
        if (request.sent) continue;
        request.sent = true;
        return request.message;
      }
      return undefined;
    },
    receive: (frame) => {
      const message = frame as GatewayMessage & { readonly ref?: Ref };
      const request = message.ref === undefined ? undefined : pending.get(message.ref);
      if (message.type === 'ERROR') request?.fail(errorOf(message));
      else request?.answer(message);
      return !!request;
    },
    detach: () => {
      for (const request of pending.values()) request.sent = false;
    },
    fail: (error) => {
      for (const request of [...pending.values()]) request.fail(error);
    },
  };
}

export const errorOf = ({ code, message, channel }: ErrorMessage): BelfryError =>
  new BelfryError(code, message, { channel });
