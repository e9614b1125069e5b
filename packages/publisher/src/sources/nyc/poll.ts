/**
 * One poll of one dataset, from the city's changed rows to full reports of the properties they touch. The order is what
 * makes it safe to fail anywhere: read everything first, hand on, remember what was handed on, and only then move the
 * cursor. Whatever fails before that is simply read again.
 *
 *   new properties → changed rows since the cursor → their properties anew → reports → cursor
 */
import type { Logger } from '@belfry/shared/service';
import type { Submit } from '../submit.js';
import { type ChangedRows, readChangedRows, readHead } from './changed-rows.js';
import type { CityClient } from './client.js';
import type { Dataset } from './dataset.js';
import type { Cursor, Ledger } from './ledger.js';
import { PROPERTIES_PER_QUESTION, readPropertyRows } from './property-rows.js';
import type { Quarantine } from './quarantine.js';
import { createReporter, type Reported, type Reporter } from './reporter.js';
import { overlay, type RowsRead } from './rows-read.js';

export interface PollOptions {
  readonly dataset: Dataset;
  /** All datasets of the violation type, `dataset` among them. */
  readonly group: readonly Dataset[];
  readonly client: CityClient;
  readonly ledger: Ledger;
  readonly quarantine: Quarantine;
  /** The BBLs that are watched now. */
  readonly watched: () => Promise<ReadonlySet<string>>;
  readonly submit: Submit;
  readonly logger: Logger;
  readonly now: () => number;
  readonly timing: PollTiming;
  readonly pageRows: number;
  readonly onUnknown: (dataset: Dataset, field: 'status' | 'severity') => void;
  /** Throws when this process must not go on, because its lease ran out. */
  readonly check: () => void;
}

/** Milliseconds. */
export interface PollTiming {
  /** Between two polls. */
  readonly everyMs: number;
  /** For which changed rows are read again, in case the city brings some late. */
  readonly overlapMs: number;
  /** In which every property is read in full at least once. */
  readonly reconcileMs: number;
  /** Between a suspicious reading and one that can confirm it. */
  readonly confirmAfterMs: number;
}

export interface PollResult extends Reported {
  /** Milliseconds since 1970 of the city's last change that was read; undefined while nothing is watched. */
  readonly dataAsOf: number | undefined;
}

/** Without system fields, changes of older rows are found by reading in full only: so that often. */
const UNDATED_RECONCILE_MS = 3_600_000;
/** Before that many pages, a poll goes on following single rows in any case. */
const MIN_PAGES = 50;

/**
 * Polls once.
 *
 * @throws CityFailure or an error of Redis; what was reported until then is true, the rest is read again next time
 */
export async function pollDataset(options: PollOptions): Promise<PollResult> {
  const { dataset, ledger } = options;
  const watched = await options.watched();
  const reporter = createReporter({ ...options, confirmAfterMs: options.timing.confirmAfterMs });
  await forgetOthers(options, watched);
  if (watched.size === 0) {
    // Nobody waits for anything; beginning anew is cheaper than following all that changes until somebody does.
    await ledger.saveCursor(dataset, undefined);
    return { reports: 0, held: [], dataAsOf: undefined };
  }
  const cursor = await ledger.cursor(dataset);
  const start = cursor ?? (await readHead(options.client, dataset, options.now()));
  const before = await ledger.properties(dataset);
  await admitNew(options, reporter, isDated(start));
  const changed = cursor ? await changedSince(cursor, options, watched.size) : firstTime(start, before);
  await admitNew(options, reporter, isDated(changed.next));
  await readAgain(options, reporter, changed);
  const reported = await reporter.finish();
  options.check();
  await ledger.saveCursor(dataset, changed.next);
  return { ...reported, dataAsOf: changed.next.at ? Date.parse(changed.next.at) : undefined };
}

/** Reads and reports the properties that are watched but were never read. */
export async function loadNew(options: PollOptions): Promise<void> {
  const cursor = await options.ledger.cursor(options.dataset);
  const reporter = createReporter({ ...options, confirmAfterMs: options.timing.confirmAfterMs });
  // Without a cursor the coming poll finds out; a guess that is wrong fails and is repeated by it.
  await admitNew(options, reporter, cursor === undefined || isDated(cursor));
}

const isDated = (cursor: Cursor): boolean => cursor.undatedUntil === undefined;

/** Without a cursor nothing is known of what changed: what is not read as new is read again. */
const firstTime = (next: Cursor, known: ReadonlySet<string>): ChangedRows => ({
  rows: new Map([...known].map((bbl) => [bbl, new Map()])),
  next,
  everything: false,
  replaced: false,
});

async function changedSince(cursor: Cursor, options: PollOptions, watched: number): Promise<ChangedRows> {
  const maxPages = Math.max(MIN_PAGES, Math.ceil(watched / PROPERTIES_PER_QUESTION));
  const changed = await readChangedRows(options.dataset, cursor, {
    ...options,
    overlapMs: options.timing.overlapMs,
    maxPages,
  });
  if (changed.everything) {
    const { replaced, next } = changed;
    const undated = !isDated(next);
    options.logger.info({ source: options.dataset.name, replaced, undated }, 'reading every watched property');
  }
  return changed;
}

async function forgetOthers({ dataset, ledger }: PollOptions, watched: ReadonlySet<string>): Promise<void> {
  const gone = [...(await ledger.properties(dataset))].filter((bbl) => !watched.has(bbl));
  await ledger.forget(dataset, gone);
}

async function admitNew(options: PollOptions, reporter: Reporter, dated: boolean): Promise<void> {
  const [watched, known] = await Promise.all([options.watched(), options.ledger.properties(options.dataset)]);
  const fresh = [...watched].filter((bbl) => !known.has(bbl));
  await readInto(options, reporter, fresh, dated, undefined);
}

/** Reads properties that changed, that wait for a confirmation, or whose turn it is. */
async function readAgain(options: PollOptions, reporter: Reporter, changed: ChangedRows): Promise<void> {
  const { dataset, ledger, timing } = options;
  const known = await ledger.properties(dataset);
  const dated = isDated(changed.next);
  const reconcileMs = dated ? timing.reconcileMs : Math.min(UNDATED_RECONCILE_MS, timing.reconcileMs);
  // Twice what is due on average, so that a backlog shrinks; a poll of one property reads at least one question's worth.
  const turn = Math.max(PROPERTIES_PER_QUESTION, Math.ceil((2 * known.size * timing.everyMs) / reconcileMs));
  const due = await ledger.notReadSince(dataset, options.now() - reconcileMs, turn);
  const suspects = await ledger.suspects(dataset);
  const wanted = new Set([...(changed.everything ? known : changed.rows.keys()), ...suspects.keys(), ...due]);
  const again = [...wanted].filter((bbl) => known.has(bbl));
  await readInto(options, reporter, again, dated, changed);
}

async function readInto(
  options: PollOptions,
  reporter: Reporter,
  bbls: readonly string[],
  dated: boolean,
  changed: ChangedRows | undefined,
): Promise<void> {
  for (let i = 0; i < bbls.length; i += PROPERTIES_PER_QUESTION) {
    const some = bbls.slice(i, i + PROPERTIES_PER_QUESTION);
    const readAt = options.now();
    const read = await readPropertyRows(options.dataset, some, { ...options, dated });
    if (changed) overlay(read, only(changed.rows, some));
    await reporter.take(some, read, readAt, changed?.replaced ?? false);
  }
}

function only(rows: RowsRead, bbls: readonly string[]): RowsRead {
  const some: RowsRead = new Map();
  for (const bbl of bbls) {
    const there = rows.get(bbl);
    if (there) some.set(bbl, there);
  }
  return some;
}
