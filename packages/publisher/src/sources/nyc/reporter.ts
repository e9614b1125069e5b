/**
 * Turns readings of properties into reports, and holds back those that look like a fault of the city's: a property that
 * goes from many violations to none, or a source that loses a fifth of all it had. They wait for another reading that
 * says the same. First readings are baselines; a dataset whose keys were all renumbered is taken as one as well.
 */
import type { Logger } from '@belfry/shared/service';
import type { Change } from '../../changes/change.js';
import type { Submit } from '../submit.js';
import type { Dataset } from './dataset.js';
import type { Known, Ledger, Suspect } from './ledger.js';
import { mergeParts, type Part, partOf, reportOf } from './overlap.js';
import type { RowsRead } from './rows-read.js';

/** A property with fewer can lose them all in a day. */
const MANY = 5;
/** Fewer than this are no sign of anything, whatever share of the source they are. */
const MIN_SOURCE_DROP = 20;
const MAX_SOURCE_DROP_SHARE = 0.2;
/** If fewer of a replaced dataset's violations survive under their number, it was renumbered. */
const MIN_SURVIVORS = 0.5;
/** Reports per call of the intake's door, and what is lost of the work if it fails. */
const REPORTS_PER_SUBMIT = 500;

export interface ReporterOptions {
  readonly dataset: Dataset;
  /** All datasets of the violation type, `dataset` among them. */
  readonly group: readonly Dataset[];
  readonly ledger: Ledger;
  readonly submit: Submit;
  readonly logger: Logger;
  /** Milliseconds between a suspicious reading and one that can confirm it. */
  readonly confirmAfterMs: number;
  readonly now: () => number;
  /** Called before anything is handed on; throws when this process must not any more. */
  readonly check: () => void;
}

export interface Reporter {
  /** Takes a reading of `bbls`, begun at `readAt`. Reports what did not shrink at once, keeps the rest until `finish`. */
  take(bbls: readonly string[], read: RowsRead, readAt: number, replaced: boolean): Promise<void>;
  /** Reports what shrank, or holds it back. */
  finish(): Promise<Reported>;
}

export interface Reported {
  readonly reports: number;
  /** Properties that wait for a confirming reading. */
  readonly held: readonly string[];
}

interface Reading {
  readonly bbl: string;
  readonly part: Part;
  /** What will be remembered of it. */
  readonly known: Known;
  readonly before: Known | undefined;
  readonly readAt: number;
  readonly baseline: boolean;
}

export function createReporter(options: ReporterOptions): Reporter {
  const { dataset, group, ledger, submit, logger, confirmAfterMs, now, check } = options;
  const siblings = group.filter((other) => other !== dataset);
  const shrunk: Reading[] = [];
  let reports = 0;

  async function hand(readings: readonly Reading[]): Promise<void> {
    for (let i = 0; i < readings.length; i += REPORTS_PER_SUBMIT) {
      const some = readings.slice(i, i + REPORTS_PER_SUBMIT);
      const changes = await changesOf(some);
      check();
      if (changes.length > 0) await submit(changes);
      reports += changes.length;
      // Only now: a report that intake did not take is made again with the next poll.
      for (const [readAt, known] of byReadingTime(some)) await ledger.saveKnown(dataset, known, readAt);
    }
  }

  /** A property is first reported when every dataset of the type was read: half a count would be a false one. */
  async function changesOf(readings: readonly Reading[]): Promise<Change[]> {
    const bbls = readings.map(({ bbl }) => bbl);
    const others = await Promise.all(siblings.map(async (other) => [other, await ledger.known(other, bbls)] as const));
    return readings.flatMap(({ bbl, part, baseline }) => {
      const parts = [{ of: dataset, part }];
      for (const [of, all] of others) {
        const known = all.get(bbl)?.part;
        if (!known) return [];
        parts.push({ of, part: known });
      }
      parts.sort((a, b) => b.of.precedence - a.of.precedence);
      return [reportOf(bbl, dataset.violationType, mergeParts(parts.map((each) => each.part)), baseline)];
    });
  }

  async function suspicious(): Promise<(reading: Reading) => boolean> {
    const drop = shrunk.reduce(
      (sum, { before, known }) => sum + (before?.numbers.length ?? 0) - known.numbers.length,
      0,
    );
    const ofAll = drop >= MIN_SOURCE_DROP && drop > MAX_SOURCE_DROP_SHARE * (await ledger.openTotal(dataset));
    if (ofAll)
      logger.warn(
        { source: dataset.name, drop },
        'the source lost more than a fifth of all; waiting for another reading',
      );
    return ({ before, known }) => ofAll || ((before?.numbers.length ?? 0) >= MANY && known.numbers.length === 0);
  }

  return {
    async take(bbls, read, readAt, replaced) {
      const before = await ledger.known(dataset, bbls);
      const readings = bbls.map((bbl): Reading => {
        const part = partOf([...(read.get(bbl)?.values() ?? [])].map(({ row }) => row));
        const numbers = part.open.map(({ number }) => number);
        const earlier = before.get(bbl);
        const known = siblings.length > 0 ? { numbers, part } : { numbers };
        return { bbl, part, known, before: earlier, readAt, baseline: earlier === undefined };
      });
      const renumbered = replaced && !survived(readings);
      if (renumbered)
        logger.warn({ source: dataset.name }, 'the city renumbered the dataset; its violations are not new');
      const direct: Reading[] = [];
      for (const reading of readings) {
        const shrinks = reading.before !== undefined && reading.known.numbers.length < reading.before.numbers.length;
        (shrinks ? shrunk : direct).push(renumbered ? { ...reading, baseline: true } : reading);
      }
      await hand(direct);
    },

    async finish() {
      const isSuspicious = await suspicious();
      const suspects = await ledger.suspects(dataset);
      const held = new Map<string, Suspect>();
      const sure = shrunk.filter((reading) => {
        const suspect = suspects.get(reading.bbl);
        if (!isSuspicious(reading) || confirms(reading, suspect, now() - confirmAfterMs)) return true;
        // A reading that shows other violations starts the wait anew.
        const since = suspect && saysTheSame(reading, suspect) ? suspect.since : now();
        held.set(reading.bbl, { numbers: reading.known.numbers, since });
        return false;
      });
      await hand(sure);
      check();
      await ledger.suspect(dataset, held);
      if (held.size > 0)
        logger.warn({ source: dataset.name, properties: held.size }, 'a sudden drop waits for a confirming reading');
      return { reports, held: [...held.keys()] };
    },
  };
}

const saysTheSame = ({ known }: Reading, suspect: Suspect): boolean =>
  known.numbers.length === suspect.numbers.length && known.numbers.every((number) => suspect.numbers.includes(number));

const confirms = (reading: Reading, suspect: Suspect | undefined, before: number): boolean =>
  suspect !== undefined && suspect.since <= before && saysTheSame(reading, suspect);

/** Whether enough of what was known is there under its number. */
function survived(readings: readonly Reading[]): boolean {
  let all = 0;
  let there = 0;
  for (const { before, known } of readings) {
    const present = new Set(known.numbers);
    all += before?.numbers.length ?? 0;
    there += before?.numbers.filter((number) => present.has(number)).length ?? 0;
  }
  return there >= all * MIN_SURVIVORS;
}

function byReadingTime(readings: readonly Reading[]): Map<number, Map<string, Known>> {
  const times = new Map<number, Map<string, Known>>();
  for (const { bbl, known, readAt } of readings) {
    const sameTime = times.get(readAt) ?? new Map<string, Known>();
    times.set(readAt, sameTime.set(bbl, known));
  }
  return times;
}
