/**
 * Canaries: one client per gateway that knows nothing of recovery, and changes of a property of their own. When a change
 * that was reported after a fault's healing has come through every gateway, the way of an event is whole again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { mintToken } from '@belfry/testkit';
import { readSight, type Sight } from './clients/sight.js';
import { openWire, type Wire } from './clients/wire.js';
import type { Node } from './cluster/node.js';
import { changeOf } from './load/changes.js';
import { NotAccepted, type Reporter } from './load/reporter.js';
import { CANARY_PROPERTY, channelName, nOfChange } from './names.js';

export interface Canaries {
  /** Milliseconds until a change reported from now on has come through every gateway; undefined where none does. */
  recovered(deadlineMs: number): Promise<number | undefined>;
  /** Gateways through which the last one did not come. */
  missing(): readonly string[];
  stop(): void;
}

const REPORT_MS = 50;
const RETRY_MS = 100;
/** A connection on which no canary comes for so long is given up, as a frozen gateway's. */
const SILENT_MS = 4_000;

export function startCanaries(gateways: readonly Node[], reporter: Reporter, runId: string): Canaries {
  const heard = gateways.map(() => 0);
  const sight: Sight = { epoch: 0, offset: 0, channel: 0, change: 0 };
  const token = mintToken({ user_id: 'canary', role: 'ADMIN' });
  const subscribe = JSON.stringify({ type: 'SUBSCRIBE', channel: channelName(CANARY_PROPERTY) });
  let stopped = false;
  let n = 0;
  let wanted = 0;

  function keep(index: number): void {
    const gateway = gateways[index] as Node;
    let heardAt = performance.now();
    const wire: Wire = openWire(
      { port: gateway.port, token },
      {
        open: () => wire.send(subscribe),
        text: (bytes, start, end) => {
          heardAt = performance.now();
          if (readSight(bytes, start, end, sight) && sight.channel === CANARY_PROPERTY)
            heard[index] = Math.max(heard[index] ?? 0, nOfChange(sight.change));
          else if (bytes.includes('"unavailable"')) setTimeout(() => wire.send(subscribe), RETRY_MS);
        },
        end: () => {
          clearInterval(silence);
          if (!stopped) setTimeout(() => keep(index), RETRY_MS);
        },
      },
    );
    const silence = setInterval(() => {
      if (stopped || performance.now() - heardAt > SILENT_MS) wire.reset();
    }, RETRY_MS);
  }
  for (const index of gateways.keys()) keep(index);

  /** Reports a change; false where it was not accepted. */
  async function report(): Promise<boolean> {
    n += 1;
    try {
      await reporter.overHttp([changeOf(CANARY_PROPERTY, n)], `canary-${runId}-${n}`);
      return true;
    } catch (error) {
      if (!(error instanceof NotAccepted)) throw error;
      return false;
    }
  }

  const missing = (): string[] =>
    gateways.filter((gateway, index) => gateway.state === 'up' && (heard[index] ?? 0) < wanted).map(({ name }) => name);

  return {
    async recovered(deadlineMs) {
      const started = performance.now();
      wanted = n + 1;
      let reporting: Promise<boolean> | undefined;
      let reportedAt = 0;
      while (performance.now() - started < deadlineMs) {
        if (missing().length === 0) return performance.now() - started;
        if (!reporting && performance.now() - reportedAt > REPORT_MS) {
          reportedAt = performance.now();
          reporting = report().finally(() => {
            reporting = undefined;
          });
        }
        await sleep(5);
      }
      return undefined;
    },
    missing,
    stop() {
      stopped = true;
    },
  };
}
