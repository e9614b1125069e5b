/**
 * The floor of the intake: the latest id that this publisher has seen. What comes in later has to be behind it, also where a
 * failover lost the stream's end and the new master's clock is behind: see `lua/floor.lua`.
 */
import { readFileSync } from 'node:fs';
import { type Connection, LogUnavailable } from '@belfry/shared/log';
import type { Logger } from '@belfry/shared/service';
import { FIRST_ID, laterId } from './id.js';

// The source is read from src also when this module runs from dist: tsc does not copy it.
const SCRIPT = readFileSync(new URL('../../src/intake/lua/floor.lua', import.meta.url), 'utf8');

/** Other publishers may have come this much further before the failover, and not have lived to tell. */
const MARGIN_MS = 60_000;

/** What stands in front of the reports in a pipeline. */
interface CanEval {
  eval(script: string, keys: number, ...args: (string | number)[]): unknown;
}

export interface IntakeFloor {
  /** The intake has reached this id. */
  reached(id: string): void;
  /** Puts the check in front of what is written; false where nothing is known that could be come below. */
  ahead(pipeline: CanEval): boolean;
  /** Told of the check's answer. */
  answered(reply: unknown): void;
  /** Checks now. @throws LogUnavailable */
  keep(connection: Pick<Connection, 'eval'>): Promise<void>;
}

export interface IntakeFloorOptions {
  readonly stream: string;
  readonly logger: Logger;
  /** Ids had gone back, and were raised. */
  readonly onRaised: () => void;
}

export function createIntakeFloor({ logger, onRaised, stream }: IntakeFloorOptions): IntakeFloor {
  let highest = FIRST_ID;

  function answered(reply: unknown): void {
    if (typeof reply !== 'string') return;
    const lost = highest;
    highest = laterId(highest, reply);
    onRaised();
    logger.error(
      { lost, continued: reply },
      'Redis has lost the end of the intake, and its clock is behind: ids were to be given twice, and go on behind those lost',
    );
  }

  return {
    reached(id) {
      highest = laterId(highest, id);
    },
    ahead(pipeline) {
      if (highest === FIRST_ID) return false;
      // By its text: a new master does not know its hash, and nothing in a pipeline is to fail for that.
      pipeline.eval(SCRIPT, 1, stream, highest, MARGIN_MS);
      return true;
    },
    answered,
    async keep(connection) {
      if (highest === FIRST_ID) return;
      try {
        answered(await connection.eval(SCRIPT, 1, stream, highest, MARGIN_MS));
      } catch (cause) {
        throw new LogUnavailable(`the intake does not tell its last id: ${(cause as Error).message}`, { cause });
      }
    },
  };
}
