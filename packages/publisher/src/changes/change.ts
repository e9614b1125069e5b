/**
 * A change: what an upstream service or a source reports about one property and one violation type. It comes in three
 * forms, told apart by the fields that are there:
 *
 * - full report, `violations`: these are the open ones, all of them; what is missing has been resolved
 * - delta, `added` and/or `resolved`: these opened, these closed, the rest stays as it was
 * - counts only, `count`: so many are open; nothing is known of the single ones
 */
import { isChannelId, SEVERITIES } from '@belfry/shared/protocol';
import { isTraceparent } from '@belfry/shared/tracing';
import { z } from 'zod';

/** A building with more open violations of one type than this is not in the city's records; it bounds one entry. */
export const MAX_VIOLATIONS_PER_CHANGE = 5_000;
/** Longer texts are cut by sources and refused from services: an event should stay under uWebSockets' 16 KB batch. */
export const MAX_DESCRIPTION_LENGTH = 500;

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the point
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !CONTROL.test(value), 'must not hold control characters');

const severitySchema = z.enum(SEVERITIES);
const propertyIdSchema = z
  .string()
  .refine(isChannelId, 'must be 1 to 64 letters, digits, "_" or "-" (a BBL is ten digits)');
const violationTypeSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" or "-"');

const violationSchema = z.object({
  number: text(64).min(1),
  date: text(32).optional(),
  class: text(64).optional(),
  severity: severitySchema.optional(),
  description: text(MAX_DESCRIPTION_LENGTH).optional(),
});

const common = {
  property_id: propertyIdSchema,
  violation_type: violationTypeSchema,
  /** What to say when the single violations do not tell. */
  severity: severitySchema.optional(),
  message: text(MAX_DESCRIPTION_LENGTH).optional(),
  /** Seconds since 1970 at which the change happened; the time of intake when left out. */
  timestamp: z.number().positive().max(1e11).optional(),
  /** First load of a property by a source: sets the snapshot, and nothing in it counts as new. */
  baseline: z.boolean().optional(),
  /** The trace that the report belongs to; its event carries it on. */
  traceparent: z
    .string()
    .refine(isTraceparent, 'must be a W3C traceparent: 00-<trace id>-<span id>-<flags>')
    .optional(),
};
const violations = z.array(violationSchema).max(MAX_VIOLATIONS_PER_CHANGE);

const fullReport = z.object({ ...common, violations });
const delta = z
  .object({
    ...common,
    added: violations.optional(),
    resolved: z.array(text(64).min(1)).max(MAX_VIOLATIONS_PER_CHANGE).optional(),
  })
  .refine((change) => change.added || change.resolved, 'needs one of: violations, count, added, resolved');
const countsOnly = z.object({
  ...common,
  count: z.int().min(0).max(1_000_000),
  new_violations: z.int().min(0).optional(),
});

export type Violation = z.infer<typeof violationSchema>;
export type FullReport = z.infer<typeof fullReport>;
export type Delta = z.infer<typeof delta>;
export type CountsOnly = z.infer<typeof countsOnly>;
export type Change = FullReport | Delta | CountsOnly;

/** Which of the three forms `input` means to be, so that an error speaks of that form only. */
function schemaFor(input: object) {
  if ('violations' in input) return fullReport;
  if ('count' in input) return countsOnly;
  return delta;
}

export type ParsedChange = { readonly change: Change } | { readonly error: string };

/** Checks one change. The error names the first field that is wrong and what is allowed. Never throws. */
export function parseChange(input: unknown): ParsedChange {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { error: 'a change must be one JSON object' };
  }
  const result = schemaFor(input).safeParse(input);
  if (result.success) return { change: result.data };
  const issue = result.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  return { error: path ? `${path}: ${issue?.message}` : (issue?.message ?? 'not a change') };
}
