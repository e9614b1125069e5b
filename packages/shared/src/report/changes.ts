/** What a service reports about one property and one type of violations, in one of three forms. */
import type { Severity, ViolationDetail } from '../protocol/index.js';

interface ChangeOf {
  /** A BBL has ten digits. */
  readonly property_id: string;
  readonly violation_type: string;
  /** Where the single violations do not tell. */
  readonly severity?: Severity;
  /** Instead of the sentence that is made otherwise. */
  readonly message?: string;
  /** Seconds since 1970 at which it happened; otherwise the time it comes in. */
  readonly timestamp?: number;
  /** The first load of a property, in which nothing counts as new. */
  readonly baseline?: boolean;
}

/** These are open, all of them; what is missing has been resolved. */
export interface FullReport extends ChangeOf {
  readonly violations: readonly ViolationDetail[];
}

/** These opened, these closed; the rest stays as it was. */
export interface Delta extends ChangeOf {
  readonly added?: readonly ViolationDetail[];
  readonly resolved?: readonly string[];
}

/** So many are open; nothing is known of the single ones. */
export interface CountsOnly extends ChangeOf {
  readonly count: number;
  readonly new_violations?: number;
}

export type Change = FullReport | Delta | CountsOnly;
