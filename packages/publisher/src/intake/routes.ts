/** `POST /v1/changes` and `POST /v1/events`: one report or many; where one is wrong none is accepted. */
import { partKey } from '@belfry/shared/log';
import { NO_TRACING } from '@belfry/shared/tracing';
import { parseChange } from '../changes/change.js';
import { parseEvent } from '../changes/event.js';
import { HttpError, type HttpReply, type HttpRequest, type Route } from '../http/server.js';
import { type ReportTraces, traceReports } from '../traced.js';
import type { BroadcastLimit } from './broadcast-limit.js';
import { type IntakeDoor, IntakeUnavailable, type Report } from './door.js';
import { MAX_IDEMPOTENCY_KEY_LENGTH } from './entry.js';

/** As many as fit in 8 MB at some 800 bytes each. */
export const MAX_BATCH = 10_000;
/** Printable ASCII, as header values are; room is left for the index that a batch adds. */
const IDEMPOTENCY_KEY = new RegExp(`^[\\x21-\\x7e]{1,${MAX_IDEMPOTENCY_KEY_LENGTH - 8}}$`);

type Kind = 'change' | 'event';
/** What is said of each at the door; every report has the field `names`. */
const REPORTS = {
  change: { plural: 'changes', names: 'property_id', path: '/v1/changes' },
  event: { plural: 'events', names: 'channel', path: '/v1/events' },
} as const;

export function intakeRoutes(
  door: IntakeDoor,
  onAccepted: (kind: Kind, count: number) => void,
  limit: BroadcastLimit,
  traces: ReportTraces = traceReports(NO_TRACING),
): Route[] {
  const take = async (kind: Kind, request: HttpRequest): Promise<HttpReply> => {
    const key = idempotencyKeyOf(request);
    const body = await request.json();
    const { items, single } = itemsOf(body, REPORTS[kind].plural);
    const reports = items.map((item, index): Report => {
      const parsed = kind === 'change' ? parseChange(item) : parseEvent(item);
      if ('error' in parsed) {
        throw new HttpError('bad_request', misdirected(kind, item) ?? parsed.error, single ? {} : { index });
      }
      // In a batch each item has a key of its own: a repeated batch is known item by item.
      return { ...parsed, key: key === undefined || single ? key : partKey(key, index) };
    });
    const traced = traces.begin(reports, request.headers.traceparent);
    const ids = await limit.within(reports, () => accept(door, traced.reports)).finally(traced.end);
    onAccepted(kind, ids.length);
    return { status: 202, body: { accepted: ids.length, ids } };
  };
  return [
    { method: 'POST', path: REPORTS.change.path, handle: (request) => take('change', request) },
    { method: 'POST', path: REPORTS.event.path, handle: (request) => take('event', request) },
  ];
}

async function accept(door: IntakeDoor, reports: readonly Report[]): Promise<readonly string[]> {
  try {
    return await door.accept(reports);
  } catch (error) {
    if (error instanceof IntakeUnavailable) {
      throw new HttpError('unavailable', `${error.message}. Send it again later, with an Idempotency-Key.`);
    }
    throw error;
  }
}

/** One object, an array, or an object with an array in the field `plural`. */
function itemsOf(body: unknown, plural: 'changes' | 'events'): { items: readonly unknown[]; single: boolean } {
  const wrapped = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[plural] : undefined;
  const list = Array.isArray(wrapped) ? wrapped : body;
  if (!Array.isArray(list)) return { items: [body], single: true };
  if (list.length === 0) throw new HttpError('bad_request', 'The list is empty.');
  if (list.length > MAX_BATCH) {
    throw new HttpError('bad_request', `A batch must not have more than ${MAX_BATCH} items; send several.`);
  }
  return { items: list, single: false };
}

/** Where an item should have gone that is none of this kind, but looks like the other; undefined where it does not. */
function misdirected(kind: Kind, item: unknown): string | undefined {
  const [here, there] = kind === 'change' ? [REPORTS.change, REPORTS.event] : [REPORTS.event, REPORTS.change];
  if (typeof item !== 'object' || item === null || here.names in item) return undefined;
  const looksLike = there.names in item || Array.isArray((item as Record<string, unknown>)[there.plural]);
  return looksLike ? `${there.plural} go to ${there.path}; this is ${here.path}` : undefined;
}

function idempotencyKeyOf(request: HttpRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key)) {
    throw new HttpError(
      'bad_request',
      `Idempotency-Key: must be 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH - 8} printable characters without spaces.`,
    );
  }
  return key;
}
