/**
 * Detection: does a change change anything? A pure function from what was known and what is reported to what is known
 * now and, where something is different, the event that says so.
 */
import { SEVERITIES, type Severity, worse } from '@belfry/shared/protocol';
import type { Change, CountsOnly, Delta, FullReport, Violation } from './change.js';
import { DEFAULT_SEVERITY, type Facts, openBySeverity } from './facts.js';

/** What became of a property's violations of one type. */
export interface Detection {
  readonly count: number;
  readonly newViolations: number;
  readonly resolved: number;
  /** The worst of the new ones; where there are none, of the open ones. */
  readonly severity: Severity;
  /** All that are open, and not only those that this is about. */
  readonly open: Readonly<Partial<Record<Severity, number>>>;
  readonly baseline: boolean;
  /** What can be told of single violations: the new ones first, then those that changed, then the other open ones. */
  readonly violations: readonly Violation[];
}

export interface Detected {
  readonly facts: Facts;
  /** Undefined where the change says nothing new. */
  readonly detection: Detection | undefined;
}

/** What a closing is capped at: good news is never critical. */
const CLOSING_CAP: Severity = 'high';

const NOTHING: Facts = { count: 0, open: new Map(), severity: undefined };

/** What a form of change comes to, before it is decided whether that is worth an event. */
interface Outcome {
  readonly facts: Facts;
  readonly fresh: number;
  readonly resolved: number;
  readonly altered: boolean;
  readonly freshOnes: readonly Violation[];
  readonly others: readonly Violation[];
}

/** @param before what was known; undefined where nothing was ever reported of this property and type */
export function detect(before: Facts | undefined, change: Change): Detected {
  const outcome = outcomeOf(before ?? NOTHING, change);
  const baseline = change.baseline === true;
  const { facts, fresh, resolved, altered } = outcome;
  const different = fresh > 0 || resolved > 0 || altered || (before === undefined && baseline);
  if (!different) return { facts: before ?? facts, detection: undefined };
  const newViolations = baseline ? 0 : fresh;
  return {
    facts,
    detection: {
      count: facts.count,
      newViolations,
      resolved: baseline ? 0 : resolved,
      severity: severityOf(outcome, change, newViolations),
      open: openBySeverity(facts),
      baseline,
      violations: [...outcome.freshOnes, ...outcome.others],
    },
  };
}

function outcomeOf(before: Facts, change: Change): Outcome {
  if ('violations' in change) return fullReport(before, change);
  if ('count' in change) return countsOnly(before, change);
  return delta(before, change);
}

function fullReport(before: Facts, change: FullReport): Outcome {
  const open = new Map<string, Severity | undefined>();
  const unknown: Violation[] = [];
  const changed: Violation[] = [];
  const same: Violation[] = [];
  for (const violation of change.violations) {
    if (open.has(violation.number)) continue;
    const known = before.open.get(violation.number);
    open.set(violation.number, violation.severity ?? known);
    if (!before.open.has(violation.number)) unknown.push(violation);
    else if (violation.severity && known !== violation.severity) changed.push(violation);
    else same.push(violation);
  }
  // Of those that were only counted before, as many as possible are taken to be among those reported now.
  const counted = before.count - before.open.size;
  const gone = before.open.size - changed.length - same.length;
  const facts = { count: open.size, open, severity: change.severity ?? before.severity };
  return {
    facts,
    fresh: Math.max(0, unknown.length - counted),
    resolved: gone + Math.max(0, counted - unknown.length),
    altered: changed.length > 0 || unknown.length > 0 || regraded(before, facts),
    freshOnes: unknown,
    others: [...changed, ...same],
  };
}

function delta(before: Facts, change: Delta): Outcome {
  const open = new Map(before.open);
  let counted = before.count - before.open.size;
  const fresh = new Map<string, Violation>();
  const changed: Violation[] = [];
  for (const violation of change.added ?? []) {
    const { number, severity } = violation;
    const known = open.has(number);
    if (known && (severity === undefined || open.get(number) === severity)) continue;
    open.set(number, severity);
    if (known && !fresh.has(number)) changed.push(violation);
    else fresh.set(number, violation);
  }
  let resolved = 0;
  for (const number of new Set(change.resolved ?? [])) {
    if (open.delete(number)) {
      // Opened and closed by the same change: it neither is new nor was open before.
      if (!fresh.delete(number)) resolved += 1;
    } else if (counted > 0) {
      counted -= 1;
      resolved += 1;
    }
  }
  const facts = { count: open.size + counted, open, severity: change.severity ?? before.severity };
  const others = changed.filter(({ number }) => open.has(number));
  return {
    facts,
    fresh: fresh.size,
    resolved,
    altered: others.length > 0 || regraded(before, facts),
    freshOnes: [...fresh.values()],
    others,
  };
}

function countsOnly(before: Facts, change: CountsOnly): Outcome {
  const { count } = change;
  // Whatever is claimed: more than there are open cannot be new, and fewer than the count grew by neither.
  const fresh = Math.min(count, Math.max(0, count - before.count, change.new_violations ?? 0));
  const resolved = before.count + fresh - count;
  // Which ones closed is not said: where any did, none is known by number any more.
  const open = resolved === 0 ? before.open : new Map<string, Severity>();
  const facts = { count, open, severity: change.severity ?? before.severity };
  return {
    facts,
    fresh,
    resolved,
    altered: regraded(before, facts),
    freshOnes: [],
    others: [],
  };
}

const regraded = (before: Facts, after: Facts): boolean => after.count > 0 && after.severity !== before.severity;

function severityOf(outcome: Outcome, change: Change, newViolations: number): Severity {
  if (newViolations > 0) return worst(outcome.freshOnes.map(({ severity }) => severity)) ?? given(outcome, change);
  const { count, open } = outcome.facts;
  if (count === 0) return 'info';
  const standing = worst(open.values()) ?? given(outcome, change);
  return outcome.resolved > 0 ? milder(standing, CLOSING_CAP) : standing;
}

const given = (outcome: Outcome, change: Change): Severity =>
  change.severity ?? outcome.facts.severity ?? DEFAULT_SEVERITY;

function worst(severities: Iterable<Severity | undefined>): Severity | undefined {
  let found: Severity | undefined;
  for (const severity of severities) if (severity) found = found ? worse(found, severity) : severity;
  return found;
}

const milder = (a: Severity, b: Severity): Severity => (SEVERITIES.indexOf(a) <= SEVERITIES.indexOf(b) ? a : b);
