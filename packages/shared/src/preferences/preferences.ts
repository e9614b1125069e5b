/** What a user wants to be told, and how: checked once when it is written, trusted afterwards. */

import { z } from 'zod';
import { isChannelId, SEVERITIES } from '../protocol/index.js';

/** Ways to reach a person. */
export const WAYS = ['email', 'sms', 'webhook'] as const;
export type Way = (typeof WAYS)[number];

const MAX_RULES = 50;
const MAX_PROPERTIES = 5_000;
const CLOCK_TIME = /^([01]\d|2[0-3]):[0-5]\d$/;

const isTimeZone = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
};

const quietHours = z.strictObject({
  from: z.string().regex(CLOCK_TIME, 'must be HH:MM'),
  to: z.string().regex(CLOCK_TIME, 'must be HH:MM'),
  time_zone: z.string().refine(isTimeZone, 'must be a time zone such as America/New_York').default('America/New_York'),
});

const rule = z.strictObject({
  id: z.string().refine(isChannelId, 'must be 1 to 64 letters, digits, "_" or "-"'),
  /** Which properties; `"*"` for all that the user's token allows to read. */
  properties: z.union([
    z.literal('*'),
    z.array(z.string().refine(isChannelId, 'must be a property id')).min(1).max(MAX_PROPERTIES),
  ]),
  /** Violation types; all where it is left out. */
  types: z.array(z.string().refine(isChannelId, 'must be a violation type')).min(1).max(50).optional(),
  min_severity: z.enum(SEVERITIES).default('info'),
  via: z.array(z.enum(WAYS)).min(1).max(WAYS.length),
  /** Alerts that fall into these hours wait for their end, unless they are critical. */
  quiet_hours: quietHours.optional(),
  /** Collected and sent as one instead of each at once. */
  digest: z.enum(['none', 'hourly', 'daily']).default('none'),
});

const preferences = z
  .strictObject({
    email: z.email().max(254).optional(),
    sms: z
      .string()
      .regex(/^\+[1-9]\d{6,14}$/, 'must be a number as +12125550100')
      .optional(),
    webhook: z
      .strictObject({
        url: z.url({ protocol: /^https?$/ }).max(2_048),
        /** Signs every delivery. */
        secret: z.string().min(16).max(256),
      })
      .optional(),
    rules: z.array(rule).max(MAX_RULES),
    /** Gateways say so beside what they read: whoever sends all of that back means nothing by it. */
    undeliverable: z.unknown().optional(),
  })
  .superRefine((given, context) => {
    const ids = new Set<string>();
    given.rules.forEach(({ id, via }, index) => {
      if (ids.has(id)) context.addIssue({ code: 'custom', path: ['rules', index, 'id'], message: 'is used twice' });
      ids.add(id);
      for (const way of via) {
        if (given[way] === undefined) {
          context.addIssue({
            code: 'custom',
            path: ['rules', index, 'via'],
            message: `names ${way}, which is not set`,
          });
        }
      }
    });
  })
  .transform(({ undeliverable: _, ...given }) => given);

export type AlertRule = z.infer<typeof rule>;
export type QuietHours = z.infer<typeof quietHours>;
export type Preferences = z.infer<typeof preferences>;

export const NO_PREFERENCES: Preferences = { rules: [] };

/** Checks what a user sent. The error names the first field that is wrong. Never throws. */
export function parsePreferences(input: unknown): { readonly preferences: Preferences } | { readonly error: string } {
  const result = preferences.safeParse(input);
  if (result.success) return { preferences: result.data };
  const issue = result.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  return { error: path ? `${path}: ${issue?.message}` : (issue?.message ?? 'not preferences') };
}
