/**
 * Polls violation types: one at a time each, over all publishers, and its datasets one after the other, because they make
 * one report together. A dataset that fails does not keep the others from being polled.
 */
import type { Connection } from '@belfry/shared/log';
import { LeaseLost, takeLease } from '../../leases/lease.js';
import type { Dataset } from './dataset.js';
import { byViolationType } from './datasets.js';
import { CityFailure, failureCode } from './failure.js';
import type { SourceMetrics } from './metrics.js';
import { loadNew, type PollOptions, type PollResult, pollDataset } from './poll.js';
import type { SourceStates } from './state.js';

/** `busy`: another publisher polls this type now. */
export type PollOutcome = 'done' | 'busy';

export interface Poller {
  readonly violationTypes: readonly string[];
  /** @throws AggregateError of what failed; the states hold it already */
  poll(violationType: string): Promise<PollOutcome>;
  /** Reads what is watched and was never read. @throws like `poll` */
  load(violationType: string): Promise<PollOutcome>;
}

export interface PollerOptions extends Omit<PollOptions, 'dataset' | 'group' | 'check' | 'onUnknown'> {
  readonly datasets: readonly Dataset[];
  readonly redis: Connection;
  readonly states: SourceStates;
  readonly metrics: SourceMetrics;
}

export function createPoller(options: PollerOptions): Poller {
  const { datasets, redis, ledger, states, metrics, logger } = options;
  const types = byViolationType(datasets);

  async function each(violationType: string, run: (poll: PollOptions) => Promise<void>): Promise<PollOutcome> {
    const group = types.get(violationType) ?? [];
    const lease = await takeLease(redis, ledger.leaseKey(violationType));
    if (!lease) return 'busy';
    const errors: unknown[] = [];
    try {
      if (await ledger.madeOf(violationType, group)) {
        const names = group.map(({ name }) => name);
        logger.info({ violationType, datasets: names }, 'other datasets are polled; every property is read anew');
      }
      for (const dataset of group) {
        try {
          await run({ ...options, dataset, group, check: lease.check, onUnknown: metrics.unknownValue });
        } catch (error) {
          errors.push(error);
          await noteFailure(dataset, error);
        }
      }
    } finally {
      await lease.release();
    }
    if (errors.length > 0) throw new AggregateError(errors, `${violationType}: ${errors.map(String).join('; ')}`);
    return 'done';
  }

  async function noteFailure(dataset: Dataset, error: unknown): Promise<void> {
    const ours = error instanceof LeaseLost || (error instanceof CityFailure && error.code === 'stopped');
    const code = failureCode(error);
    // The city's failures say all in one line; others need their stack.
    const reason = error instanceof CityFailure ? { reason: error.message } : { err: error };
    logger.warn({ source: dataset.name, code, ...reason }, 'source was not polled');
    if (ours) return;
    // A state that cannot be written must not keep the other datasets from being polled.
    await states.failed(dataset, error).catch((err: unknown) => logger.warn({ err }, 'source state was not saved'));
  }

  async function pollOne(poll: PollOptions): Promise<void> {
    const { dataset } = poll;
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1_000;
    let result: PollResult;
    try {
      result = await pollDataset(poll);
    } catch (error) {
      metrics.poll(dataset, failureCode(error), seconds());
      throw error;
    }
    metrics.poll(dataset, 'ok', seconds());
    metrics.reports(dataset, result.reports);
    metrics.held(dataset, result.held.length);
    if (result.dataAsOf !== undefined) await states.succeeded(dataset, result.dataAsOf);
  }

  return {
    violationTypes: [...types.keys()],
    poll: (violationType) => each(violationType, pollOne),
    load: (violationType) => each(violationType, loadNew),
  };
}
