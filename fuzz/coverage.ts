/** Which blocks of our own code ran: V8's counts, asked for by batches, so that inputs which reach new code are kept. */
import { Session } from 'node:inspector';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly Range[] }[];
  }[];
}

export interface BlockCounter {
  /** Blocks that ran since the last call. */
  take(): ReadonlySet<string>;
  close(): void;
}

export function countBlocks(): BlockCounter {
  const session = new Session();
  session.connect();
  const post = (method: string, params: object = {}): unknown => {
    let answer: unknown;
    // Answers come before `post` returns: the inspected isolate is this one.
    session.post(method, params, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  };
  post('Profiler.enable');
  post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return {
    take() {
      const blocks = new Set<string>();
      for (const { functions, url } of (post('Profiler.takePreciseCoverage') as Coverage).result) {
        if (!url.includes('/packages/') || url.includes('/node_modules/')) continue;
        for (const { ranges } of functions) {
          for (const { count, endOffset, startOffset } of ranges) {
            if (count > 0) blocks.add(`${url}:${startOffset}-${endOffset}`);
          }
        }
      }
      return blocks;
    },
    close() {
      post('Profiler.stopPreciseCoverage');
      session.disconnect();
    },
  };
}
