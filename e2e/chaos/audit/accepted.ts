/** Is everything that was accepted in the log, in order and once? What Redis itself lost is counted apart. */
import type { Connection } from '@belfry/shared/log';
import { readChange } from '../load/changes.js';
import type { Accepted } from '../load/load.js';
import { BULK, changeNumber, channelName, GLOBAL, nOfChange, propertyOfChange } from '../names.js';
import type { Chain } from './chain.js';
import type { Findings } from './findings.js';

/** A time in which Redis may have lost what it had accepted. Milliseconds since 1970. */
export interface LossyFault {
  readonly kind: string;
  /** What was accepted before this may be lost too; a flush loses everything. */
  readonly from: number;
  readonly until: number;
  /** When it began, where it took one master after the other: what went in meanwhile may be gone on some and kept on others. */
  readonly tornFrom?: number;
}

/** The fault that tore a change accepted at `at` in two: still in the intake, gone from a channel's log. */
export const tornBy = (lossy: readonly LossyFault[], at: number): LossyFault | undefined =>
  lossy.find(({ tornFrom, until }) => tornFrom !== undefined && at >= tornFrom && at <= until);

const PAGE = 2_000;

/** The changes that the intake stream still holds. */
export async function readIntake(connection: Connection, stream: string): Promise<ReadonlySet<number>> {
  const held = new Set<number>();
  let from = '-';
  for (;;) {
    const rows = await connection.xrange(stream, from, '+', 'COUNT', PAGE);
    for (const [, fields] of rows) {
      const change = fields[0] === 'change' ? readChange(fields[1] ?? '') : undefined;
      if (change) held.add(changeNumber(change.property, change.n));
    }
    const last = rows.at(-1)?.[0];
    if (rows.length < PAGE || last === undefined) return held;
    from = `(${last}`;
  }
}

export function checkAccepted(parts: {
  readonly accepted: readonly Accepted[];
  readonly intake: ReadonlySet<number>;
  readonly chains: ReadonlyMap<number, Chain>;
  readonly lossy: readonly LossyFault[];
  readonly findings: Findings;
}): void {
  const { accepted, chains, findings, intake, lossy } = parts;
  const appended = new Map<number, Set<number>>();
  for (const [channel, chain] of chains) appended.set(channel, checkOrder(channel, chain, findings));
  const onGlobal = appended.get(GLOBAL);
  for (const { at, n, property } of accepted) {
    const change = changeNumber(property, n);
    const describe = (what: string) => () =>
      `n${n} of property ${property}, accepted at ${new Date(at).toISOString()}, ${what}`;
    if (!intake.has(change)) {
      // What loses everything first: whatever a failover had spared was lost by it.
      const causes = lossy.filter(({ from, until }) => at >= from && at <= until).sort((a, b) => a.from - b.from);
      const [cause] = causes;
      if (cause) findings.count(`accepted, then lost by Redis itself (${cause.kind})`);
      else findings.violation('vanished', describe('is not in the intake any more'));
      continue;
    }
    const missing = !appended.get(property)?.has(change) || (onGlobal && !onGlobal.has(change));
    const torn = missing ? tornBy(lossy, at) : undefined;
    if (torn) findings.count(`accepted, then lost on one master and kept on another (${torn.kind})`);
    else if (!appended.get(property)?.has(change))
      findings.violation('not appended', describe(`is not on its channel`));
    else if (onGlobal && !onGlobal.has(change)) findings.violation('not appended', describe('is not on global'));
  }
  findings.count('changes accepted', accepted.length);
}

/** The changes on a channel; each once, and a property's in their order. */
function checkOrder(channel: number, chain: Chain, findings: Findings): Set<number> {
  const found = new Set<number>();
  const last = new Map<number, number>();
  for (const { change, epoch, offset } of chain.entries) {
    if (change === undefined || channel === BULK) continue;
    const property = propertyOfChange(change);
    const n = nOfChange(change);
    const before = last.get(property) ?? 0;
    const where = () =>
      `the log of ${channelName(channel)} at ${epoch}-${offset}: n${n} of property ${property} after n${before}`;
    if (found.has(change)) findings.violation('doubled', where);
    else if (n < before) findings.violation('reordered', where);
    found.add(change);
    last.set(property, Math.max(n, before));
  }
  return found;
}
