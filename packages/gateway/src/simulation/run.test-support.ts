/** Runs worlds, one seed after the other, and says how to run a failing one again. */
import { happen } from './faults.test-support.js';
import type { SabotageKind } from './sabotage.test-support.js';
import { World } from './world.test-support.js';

export interface Result {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly accepted: number;
  readonly totals: Record<string, number>;
}

export interface RunOptions {
  readonly lossless?: boolean;
  readonly sabotage?: SabotageKind | undefined;
  readonly trace?: ((text: string) => void) | undefined;
}

const STEPS = 150;
const MAX_STEP_MS = 400;

/** A whole life of a world: faults, healing, audit. Never throws: what is thrown is a violation. */
export async function runWorld(seed: number, options: RunOptions = {}): Promise<Result> {
  const world = new World({ seed, ...options });
  const thrown = (error: unknown): void => world.model.violation(`thrown: ${(error as Error).stack}`);
  process.on('unhandledRejection', thrown);
  try {
    for (let step = 0; step < STEPS; step += 1) {
      happen(world);
      await world.clock.advance(world.random() * MAX_STEP_MS);
    }
    await world.audit();
  } catch (error) {
    thrown(error);
  } finally {
    for (let n = 0; n < world.gateways.length; n += 1) world.stopGateway(n);
    process.off('unhandledRejection', thrown);
  }
  const totals: Record<string, number> = {};
  for (const client of world.clients) {
    for (const [name, count] of Object.entries(client.totals)) totals[name] = (totals[name] ?? 0) + count;
  }
  return { seed, violations: world.model.violations, faults: world.faults, accepted: world.accepted, totals };
}
