/** The VIOLATION_UPDATE that tells clients of a detection: its fields, its sentence, its bounds. */
import { isChannelId, propertyChannel, SEVERITIES, type ViolationUpdate } from '@belfry/shared/protocol';
import { z } from 'zod';
import type { Change, Violation } from './change.js';
import type { Detection } from './detect.js';

export const VIOLATION_UPDATE: ViolationUpdate['type'] = 'VIOLATION_UPDATE';

const MAX_VIOLATIONS = 20;
/** An event should stay well under the 16 KB that a gateway batches. */
const MAX_VIOLATIONS_BYTES = 10_000;

/** The event's body as JSON, `channel` first, without `id`. @param at seconds, where the change names no time */
export function violationUpdateBody(change: Change, detection: Detection, at: number): string {
  const violations = bounded(detection.violations);
  return JSON.stringify({
    channel: propertyChannel(change.property_id),
    type: VIOLATION_UPDATE,
    property_id: change.property_id,
    violation_type: change.violation_type,
    count: detection.count,
    new_violations: detection.newViolations,
    resolved: detection.resolved,
    severity: detection.severity,
    ...(detection.count > 0 ? { open_by_severity: detection.open } : {}),
    timestamp: change.timestamp ?? at,
    message: change.message ?? sentence(change.violation_type, detection),
    ...(detection.baseline ? { baseline: true } : {}),
    ...(violations.length > 0 ? { violations } : {}),
    ...(change.traceparent === undefined ? {} : { traceparent: change.traceparent }),
  });
}

/** As "2 new HPD violations, 1 resolved: 7 open". */
export function sentence(type: string, { baseline, count, newViolations, resolved }: Detection): string {
  const noun = (n: number): string => `${type} violation${n === 1 ? '' : 's'}`;
  const left = count === 0 ? 'none open' : `${count} open`;
  if (baseline || (newViolations === 0 && resolved === 0)) {
    const open = count === 0 ? `No open ${noun(0)}` : `${count} open ${noun(count)}`;
    return baseline ? open : `${open}, updated`;
  }
  if (newViolations === 0) return `${resolved} ${noun(resolved)} resolved: ${left}`;
  const closed = resolved > 0 ? `, ${resolved} resolved` : '';
  return `${newViolations} new ${noun(newViolations)}${closed}: ${left}`;
}

const howMany = z.int().min(0);
/** What dashboards and alerts rely on, whoever made the event. */
const told = z.object({
  property_id: z.string().refine(isChannelId, 'must be 1 to 64 letters, digits, "_" or "-"'),
  violation_type: z.string().min(1),
  count: howMany,
  new_violations: howMany,
  resolved: howMany,
  severity: z.enum(SEVERITIES),
  open_by_severity: z.partialRecord(z.enum(SEVERITIES), howMany).optional(),
  message: z.string(),
  violations: z.array(z.object({ number: z.string() })).optional(),
});

/** What is wrong with a VIOLATION_UPDATE of a service's own, beginning with the field; undefined when nothing is. */
export function wrongInViolationUpdate(data: Readonly<Record<string, unknown>>): string | undefined {
  const issue = told.safeParse(data).error?.issues[0];
  return issue && `${issue.path.join('.')}: ${issue.message}, in a ${VIOLATION_UPDATE}`;
}

function bounded(violations: readonly Violation[]): readonly Violation[] {
  if (violations.length === 0) return violations;
  const kept: Violation[] = [];
  let bytes = 0;
  for (const violation of violations) {
    bytes += 80 + 3 * (violation.description?.length ?? 0);
    if (kept.length === MAX_VIOLATIONS || (kept.length > 0 && bytes > MAX_VIOLATIONS_BYTES)) break;
    kept.push(violation);
  }
  return kept;
}
