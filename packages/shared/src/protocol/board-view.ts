/** A board as a client has it: what came, folded into the newest value of each key. */
import { type BoardDocument, isDocument, mergePatch } from './board.js';
import type { EventMessage } from './events.js';
import { comparePositions, parsePosition } from './position.js';

export interface BoardItem {
  /** The position of its newest value. */
  readonly id: string;
  /** Undefined where the event holds something else than a document. */
  readonly document: BoardDocument | undefined;
  /** The event that brought it. */
  readonly event: EventMessage;
}

export interface BoardView {
  readonly items: ReadonlyMap<string, BoardItem>;
  /** Takes over a STATE: it replaces everything. */
  state(state: { readonly id: string; readonly events: readonly EventMessage[] }): void;
  /** `missed`: the patch applies to something that never came here, so ask GET_STATE; `known`: older than what is there. */
  apply(event: EventMessage): 'applied' | 'known' | 'missed';
}

export function createBoardView(): BoardView {
  const items = new Map<string, BoardItem>();
  let stateAt = '0-0';

  function set(key: string, event: EventMessage, document: unknown): void {
    items.set(key, { id: event.id, document: isDocument(document) ? document : undefined, event });
  }

  return {
    items,
    state({ id, events }) {
      items.clear();
      stateAt = id;
      for (const event of events) set(keyOf(event), event, event.document);
    },
    apply(event) {
      const key = keyOf(event);
      const item = items.get(key);
      if (isBehind(event.id, stateAt) || (item && isBehind(event.id, item.id))) return 'known';
      if (event.removed === true) items.delete(key);
      else if (isDocument(event.patch)) {
        if (!item?.document || item.id !== event.base) return 'missed';
        set(key, event, mergePatch(item.document, event.patch));
      } else set(key, event, event.document);
      return 'applied';
    },
  };
}

/** Which value of its board an event replaces: events without a key replace the last one of their type. */
export const keyOf = ({ key, type }: { readonly key?: unknown; readonly type: string }): string =>
  typeof key === 'string' ? key : type;

function isBehind(id: string, known: string): boolean {
  const a = parsePosition(id);
  const b = parsePosition(known);
  return a !== undefined && b !== undefined && comparePositions(a, b) <= 0;
}
