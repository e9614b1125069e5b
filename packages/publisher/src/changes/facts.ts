/**
 * Facts: what is known of one property and one violation type, compact enough to be read and written with every change.
 * In Redis a fact is JSON: `{"c":7,"o":["35123456",3,"35123457",-1],"s":2}`.
 */
import { SEVERITIES, type Severity } from '@belfry/shared/protocol';

export interface Facts {
  /** Open violations. May be more than `open` holds, where only their number was reported. */
  readonly count: number;
  /** The open violations that are known by number, with their severity where it is known. */
  readonly open: ReadonlyMap<string, Severity | undefined>;
  /** The severity last given for the whole, where the single violations did not tell. */
  readonly severity: Severity | undefined;
}

interface Encoded {
  readonly c: number;
  readonly o?: readonly (string | number)[];
  readonly s?: number;
}

export function encodeFacts(facts: Facts): string {
  const open: (string | number)[] = [];
  for (const [number, severity] of facts.open) open.push(number, severity ? SEVERITIES.indexOf(severity) : -1);
  const encoded: Encoded = {
    c: facts.count,
    ...(open.length > 0 ? { o: open } : {}),
    ...(facts.severity ? { s: SEVERITIES.indexOf(facts.severity) } : {}),
  };
  return JSON.stringify(encoded);
}

/** The facts behind what `encodeFacts` wrote; undefined where there are none yet. */
export function decodeFacts(text: string | undefined): Facts | undefined {
  if (text === undefined) return undefined;
  const { c, o = [], s } = JSON.parse(text) as Encoded;
  const open = new Map<string, Severity | undefined>();
  for (let n = 0; n + 1 < o.length; n += 2) open.set(String(o[n]), SEVERITIES[o[n + 1] as number]);
  return { count: c, open, severity: s === undefined ? undefined : SEVERITIES[s] };
}
