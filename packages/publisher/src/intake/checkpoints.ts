/** Checkpoints: how far each share is worked off. They move forward only, except where Redis may have lost appends. */
import { type Connection, LogUnavailable } from '@belfry/shared/log';
import type { IntakeKeys } from './keys.js';
import type { IntakeCommands } from './scripts.js';

export interface Checkpoints {
  /**
   * Where to read a share from. Set back by the rewind where the checkpoint was written under other generations of
   * Redis. @throws LogUnavailable
   */
  open(
    share: number,
    generations: readonly string[],
  ): Promise<{ readonly position: string; readonly rewound: boolean }>;
  /** Resolves with false where somebody set the share back under other generations. @throws LogUnavailable */
  advance(share: number, generations: readonly string[], position: string): Promise<boolean>;
  /** Every share's checkpoint; undefined where it was never opened. @throws LogUnavailable */
  all(): Promise<readonly (string | undefined)[]>;
}

export interface CheckpointsOptions {
  readonly commands: IntakeCommands & Pick<Connection, 'hget'>;
  readonly keys: IntakeKeys;
  readonly shares: number;
  readonly rewindMs: number;
}

export function createCheckpoints({ commands, keys, rewindMs, shares }: CheckpointsOptions): Checkpoints {
  async function ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      throw new LogUnavailable(`the checkpoint does not answer: ${(cause as Error).message}`, { cause });
    }
  }

  return {
    async open(share, generations) {
      const [position, rewound] = await ask(() =>
        commands.belfryCheckpointOpen(keys.checkpoint(share), generations.join(), rewindMs),
      );
      return { position, rewound: rewound === 1 };
    },
    advance: async (share, generations, position) =>
      (await ask(() => commands.belfryCheckpointAdvance(keys.checkpoint(share), generations.join(), position))) === 1,
    all: () =>
      ask(() =>
        Promise.all(
          Array.from(
            { length: shares },
            async (_, share) => (await commands.hget(keys.checkpoint(share), 'p')) ?? undefined,
          ),
        ),
      ),
  };
}
