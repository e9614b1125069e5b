/** Reads a VIOLATION_UPDATE from the log: what calls itself so there may be of an older publisher, or of whoever writes to Redis, and none. */
import { SEVERITIES, type ViolationUpdate } from '@belfry/shared/protocol';
import { z } from 'zod';

const update = z.object({
  type: z.literal('VIOLATION_UPDATE'),
  property_id: z.string(),
  violation_type: z.string(),
  count: z.number(),
  new_violations: z.number(),
  severity: z.enum(SEVERITIES),
  timestamp: z.number(),
  message: z.string(),
});

/** Undefined for an event of another type; `unsound` for one that no alert can be made of. */
export function readUpdate(id: string, body: string): ViolationUpdate | 'unsound' | undefined {
  let event: unknown;
  try {
    event = JSON.parse(body);
  } catch {
    return 'unsound';
  }
  if ((event as { type?: unknown } | null)?.type !== 'VIOLATION_UPDATE') return undefined;
  return update.safeParse(event).success ? ({ ...(event as object), id } as ViolationUpdate) : 'unsound';
}
