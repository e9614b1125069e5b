/**
 * Bodies of requests. uWebSockets.js throws away what nobody listens for, so a body is listened for from the first turn;
 * it is kept only within a budget that all requests share, and let go of as soon as the request is answered: who is
 * refused for its token cannot fill the memory meanwhile.
 */

/** What is needed of a response. */
export interface BodySource {
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
}

export type ReadBody = { readonly text: string } | { readonly refused: 'too_large' | 'too_much' };

export interface Body {
  /** The whole body, once it is there. Never rejects. */
  read(): Promise<ReadBody>;
  /** It is not wanted (any more): what was kept of it is let go, and what still comes is ignored. */
  discard(): void;
}

export const NO_BODY: Body = { read: async () => ({ text: '' }), discard: () => undefined };

export const MAX_BODY_BYTES = 1_048_576;
/** Of all requests together. */
const MAX_PENDING_BYTES = 16 * MAX_BODY_BYTES;

export function createBodyReader(maxPendingBytes = MAX_PENDING_BYTES): (source: BodySource) => Body {
  let pendingBytes = 0;

  return (source) => {
    let chunks: Buffer[] | undefined = [];
    let size = 0;
    let finish: (result: ReadBody) => void = () => undefined;
    const result = new Promise<ReadBody>((resolve) => {
      finish = resolve;
    });
    const discard = (): void => {
      if (!chunks) return;
      chunks = undefined;
      pendingBytes -= size;
      // Whoever waits must not wait for ever; nobody looks at the answer of a request that is over.
      finish({ refused: 'too_much' });
    };
    source.onData((chunk, isLast) => {
      if (!chunks) return;
      const wouldBe = size + chunk.byteLength;
      if (wouldBe > MAX_BODY_BYTES || pendingBytes + chunk.byteLength > maxPendingBytes) {
        finish({ refused: wouldBe > MAX_BODY_BYTES ? 'too_large' : 'too_much' });
        return discard();
      }
      size = wouldBe;
      pendingBytes += chunk.byteLength;
      // A copy: the chunk is taken away when this returns.
      chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (!isLast) return;
      finish({ text: Buffer.concat(chunks).toString('utf8') });
      discard();
    });
    return { read: () => result, discard };
  };
}
