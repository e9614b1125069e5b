/**
 * Sees that k6 ends. By itself it waits for ever for a gateway that hangs: one that keeps its connections open and does not
 * answer their close. Neither `maxDuration` nor Ctrl-C changes that.
 */
import type { ChildProcess } from 'node:child_process';
import { signalGroup } from '../../../scripts/processes.mjs';
import { SetupError } from '../../../scripts/steps.mjs';
import { SCENARIOS } from '../k6/scenarios.ts';
import type { Settings } from '../k6/settings.ts';

export interface Patience {
  /** Milliseconds from the plan's end until k6 is asked to end. */
  readonly overdueMs: number;
  /** Milliseconds from then, or from Ctrl-C, until it is killed. */
  readonly stopMs: number;
}

/** k6 itself allows 150 s beside the plan: 60 for `setup`, 60 within `maxDuration`, 30 to stop. A slow machine needs more. */
export const PATIENCE: Patience = { overdueMs: 600_000, stopMs: 120_000 };
/** k6 gets each of its threads ready before the plan begins. */
const THREAD_MS = 200;

export interface Guard {
  /** @throws SetupError where k6 has ended only because of us */
  check(): void;
  release(): void;
}

export function endInTime(
  k6: ChildProcess,
  settings: Settings,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: Patience },
): Guard {
  let hung: string | undefined;
  let killing: NodeJS.Timeout | undefined;
  // k6 ends in its own way, with the summary of what it has seen so far. Asked a second time, it ends at once and without.
  const ask = () => {
    clearTimeout(overdue);
    const asked = signalGroup(k6, 'SIGINT');
    killing ??= setTimeout(() => {
      if (signalGroup(k6, 'SIGKILL')) hung ??= `${inSeconds(patience.stopMs)} after it was asked to`;
    }, patience.stopMs);
    return asked;
  };
  const overdue = setTimeout(
    () => {
      if (ask()) hung = `${inSeconds(patience.overdueMs)} after the end of its plan`;
    },
    overdueAfterMs(settings, patience),
  );
  signal.addEventListener('abort', ask);
  return {
    check() {
      if (hung === undefined) return;
      throw new SetupError(
        `k6 had not ended ${hung}, and was ended: most likely a gateway hangs with its connections open (${settings.gateway}). ` +
          'Nothing of this run counts: see which gateway does not answer at /livez, and test again when all of them do.',
      );
    },
    release() {
      clearTimeout(overdue);
      clearTimeout(killing);
      signal.removeEventListener('abort', ask);
    },
  };
}

/** From k6's start. */
export function overdueAfterMs(settings: Settings, { overdueMs }: Patience): number {
  const { endMs } = SCENARIOS[settings.scenario].timeline(settings);
  return settings.vus * THREAD_MS + endMs + overdueMs;
}

const inSeconds = (ms: number) => `${Math.round(ms / 1_000)} s`;
