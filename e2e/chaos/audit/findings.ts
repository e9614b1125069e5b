/** What the auditor found: every kind of violation counted, with some examples, and what is no violation counted too. */

export type Violation =
  /** Events that a client should have got, was not told about, and never got. */
  | 'lost'
  | 'doubled'
  | 'reordered'
  /** A position or content that nobody accepted, or one position with two contents. */
  | 'forged'
  /** A client went on in a new epoch, and nobody knows what the log was there. */
  | 'unchecked'
  /** An event of a channel that the client did not follow, or a frame that makes no sense. */
  | 'uninvited'
  /** A snapshot that is not what the log says it should be. */
  | 'wrong state'
  /** An answer that the protocol does not allow. */
  | 'protocol'
  /** A client that was not where the log ended when everything was healed and quiet. */
  | 'behind'
  /** Accepted, still in the intake, and not in the log. */
  | 'not appended'
  /** Accepted, and gone from the intake without a fault that could have lost it. */
  | 'vanished';

export const VIOLATIONS: readonly Violation[] = [
  'lost',
  'doubled',
  'reordered',
  'forged',
  'unchecked',
  'uninvited',
  'wrong state',
  'protocol',
  'behind',
  'not appended',
  'vanished',
];

export interface Findings {
  violation(kind: Violation, example: () => string, count?: number): void;
  /** Takes back what turned out to be something else. */
  retract(kind: Violation, count: number): void;
  count(name: string, by?: number): void;
  readonly violations: ReadonlyMap<Violation, number>;
  readonly examples: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  readonly total: number;
}

const EXAMPLES_PER_KIND = 8;

export function createFindings(): Findings {
  const violations = new Map<Violation, number>(VIOLATIONS.map((kind) => [kind, 0]));
  const counts = new Map<string, number>();
  const shown = new Map<Violation, number>();
  const examples: string[] = [];
  return {
    violation(kind, example, count = 1) {
      violations.set(kind, (violations.get(kind) ?? 0) + count);
      const before = shown.get(kind) ?? 0;
      shown.set(kind, before + 1);
      if (before < EXAMPLES_PER_KIND) examples.push(`${kind}: ${example()}`);
    },
    retract: (kind, count) => void violations.set(kind, (violations.get(kind) ?? 0) - count),
    count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    violations,
    examples,
    counts,
    get total() {
      return [...violations.values()].reduce((sum, count) => sum + count, 0);
    },
  };
}
