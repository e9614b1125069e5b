/**
 * Boards: `state:` channels that carry keyed documents. Services set, patch and remove documents; a client gets the whole
 * board first, and then for each key its newest value, as a document, or as a patch of the one it got last.
 */
import type { EventMessage } from './events.js';

/** The type of the events that boards are made of. */
export const STATE_UPDATE = 'STATE_UPDATE';

/** A document of a board: one JSON object. */
export type BoardDocument = Readonly<Record<string, unknown>>;

/** What becomes of one key: exactly one of `document`, `patch` and `removed` is there. */
export interface StateUpdate extends EventMessage {
  readonly type: typeof STATE_UPDATE;
  readonly key: string;
  /** The whole document. */
  readonly document?: BoardDocument;
  /** What is different from the document at `base`: members to set; null takes a member away. Members are set whole. */
  readonly patch?: BoardDocument;
  /** The position of the document that `patch` applies to. */
  readonly base?: string;
  /** The key is gone. */
  readonly removed?: true;
}

export const isBoard = (channel: string): boolean => channel.startsWith('state:');

export const isDocument = (value: unknown): value is BoardDocument =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The document with the patch applied, as RFC 7396 does it, but on the top level only. */
export function mergePatch(document: BoardDocument, patch: BoardDocument): BoardDocument {
  const members = new Map(Object.entries(document));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name);
    else members.set(name, value);
  }
  return Object.fromEntries(members);
}

/** The patch that makes `to` of `from`; undefined where none can: a member became null, which in a patch means gone. */
export function diffDocuments(from: BoardDocument, to: BoardDocument): BoardDocument | undefined {
  const patch: [string, unknown][] = [];
  for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) patch.push([name, null]);
  for (const [name, value] of Object.entries(to)) {
    if (Object.hasOwn(from, name) && JSON.stringify(from[name]) === JSON.stringify(value)) continue;
    if (value === null) return undefined;
    patch.push([name, value]);
  }
  return Object.fromEntries(patch);
}
