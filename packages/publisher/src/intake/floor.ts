/**
 * The floor of the intake: the latest id that this publisher has seen. What comes in later has to be behind it, also where a
 * failover lost the stream's end and the new master's clock is behind: see `lua/add.lua`.
 */
import { LogUnavailable } from '@belfry/shared/log';
import type { Logger } from '@belfry/shared/service';
import { FIRST_ID, laterId } from './id.js';
import type { IntakeCommands } from './scripts.js';

/** Other publishers may have come this much further before the failover, and not have lived to tell. */
const MARGIN_MS = 60_000;

type CanAdd = Pick<IntakeCommands, 'belfryIntakeAdd'>;

/** An entry to write: `change` or `event`, its text, and its idempotency key, or "". */
export type NewEntry = readonly [field: 'change' | 'event', text: string, key: string];

export interface IntakeFloor {
  /** The intake has reached this id. */
  reached(id: string): void;
  /** Writes the entries behind the floor, all or none, and resolves with their ids. Throws what the connection does. */
  add(commands: CanAdd, entries: readonly NewEntry[]): Promise<readonly string[]>;
  /** Has the intake go on behind the floor, whoever writes to it. @throws LogUnavailable */
  keep(commands: CanAdd): Promise<void>;
}

export interface IntakeFloorOptions {
  readonly stream: string;
  readonly logger: Logger;
  /** Ids had gone back, and were raised. */
  readonly onRaised: () => void;
}

export function createIntakeFloor({ logger, onRaised, stream }: IntakeFloorOptions): IntakeFloor {
  let highest = FIRST_ID;

  function reached(id: string): void {
    highest = laterId(highest, id);
  }

  async function add(commands: CanAdd, entries: readonly NewEntry[]): Promise<readonly string[]> {
    const floor = highest === FIRST_ID ? '' : highest;
    const [raised, ids] = await commands.belfryIntakeAdd(stream, floor, MARGIN_MS, entries.flat());
    if (raised !== null) {
      reached(raised);
      onRaised();
      logger.error(
        { lost: floor, continued: raised },
        'Redis has lost the end of the intake, and its clock is behind: ids were to be given twice, and go on behind those lost',
      );
    }
    const last = ids.at(-1);
    if (last !== undefined) reached(last);
    return ids;
  }

  return {
    reached,
    add,
    async keep(commands) {
      if (highest === FIRST_ID) return;
      try {
        await add(commands, []);
      } catch (cause) {
        throw new LogUnavailable(`the intake does not tell its last id: ${(cause as Error).message}`, { cause });
      }
    },
  };
}
