/**
 * What services do to boards: set a document, patch it, remove it. The log holds whole documents only, so that its
 * snapshot needs no history: a patch is merged here, into the document that the snapshot has at that position.
 */
import {
  type BoardDocument,
  isBoard,
  isDocument,
  mergePatch,
  type ParsedChannel,
  STATE_UPDATE,
} from '@belfry/shared/protocol';
import { readStored } from '@belfry/shared/service';
import type { ServiceEvent } from './service-event.js';

const FORMS = ['document', 'patch', 'removed'] as const;

/** What is wrong with an event of the type STATE_UPDATE; undefined when nothing is. */
export function wrongInStateUpdate(
  { channel }: ParsedChannel,
  key: unknown,
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  if (!isBoard(channel)) return `type: ${STATE_UPDATE} is for boards, state:<name>`;
  if (key === undefined) return `key: a ${STATE_UPDATE} needs one`;
  const [form, ...more] = Object.keys(data);
  if (form === undefined || more.length > 0 || !(FORMS as readonly string[]).includes(form)) {
    return `a ${STATE_UPDATE} has one of document, patch and removed, and nothing else`;
  }
  if (form === 'removed') return data.removed === true ? undefined : 'removed: must be true';
  return isDocument(data[form]) ? undefined : `${form}: must be an object`;
}

export const isPatch = (event: ServiceEvent): boolean => event.type === STATE_UPDATE && 'patch' in event;

export const isRemoval = (event: ServiceEvent): boolean => event.type === STATE_UPDATE && event.removed === true;

/** The document in a frame of the snapshot; undefined where there is none. Never throws. */
export function documentIn(frame: string | undefined): BoardDocument | undefined {
  const { document } = readStored<{ document?: unknown }>(frame, 'board', (event) => !Array.isArray(event)) ?? {};
  return isDocument(document) ? document : undefined;
}

/**
 * The event that a patch becomes: one with the whole document. A key that is not there is patched as an empty document.
 * @throws Error when the event would become longer than `maxLength` characters
 */
export function applyPatch(event: ServiceEvent, document: BoardDocument | undefined, maxLength: number): ServiceEvent {
  const { patch, ...rest } = event;
  const patched: ServiceEvent = { ...rest, document: mergePatch(document ?? {}, patch as BoardDocument) };
  if (JSON.stringify(patched).length > maxLength) {
    throw new Error(`with this patch the event is longer than ${maxLength} characters`);
  }
  return patched;
}
