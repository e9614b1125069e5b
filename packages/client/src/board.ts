/**
 * Boards (`state:<name>`) for applications: the newest document of each key, kept true. A file of its own, because few
 * pages show a board.
 */
import { type BoardView, createBoardView } from '@belfry/shared/protocol';
import type { Client } from './api.js';
import type { Disposer } from './clock.js';
import type { BelfryError } from './errors.js';

export type { BoardDocument, BoardItem, BoardView } from '@belfry/shared/protocol';
export { createBoardView } from '@belfry/shared/protocol';

export interface BoardHandlers {
  /** The board has changed. The map is the same every time, and changes in place. */
  readonly onChange: (items: BoardView['items']) => void;
  /** The gateway refuses the board. */
  readonly onError?: ((error: BelfryError) => void) | undefined;
}

/**
 * Follows a board: its documents at first, then what changes of them, patches applied. Where a patch applies to a document
 * that never came here, the whole board is asked for and takes the place of what was known.
 * @param channel `state:<name>`
 * @returns the disposer
 */
export function followBoard(client: Client, channel: string, { onChange, onError }: BoardHandlers): Disposer {
  const view = createBoardView();
  const over = new AbortController();
  let asking = false;

  function show(state: Parameters<BoardView['state']>[0]): void {
    view.state(state);
    onChange(view.items);
  }

  async function ask(): Promise<void> {
    asking = true;
    try {
      const state = await client.getState(channel, { signal: over.signal });
      if (!over.signal.aborted) show(state);
    } catch (cause) {
      if (!over.signal.aborted) onError?.(cause as BelfryError);
    }
    asking = false;
  }

  const leave = client.subscribe(channel, {
    onState: show,
    onEvent: (event) => {
      const outcome = view.apply(event);
      if (outcome === 'applied') onChange(view.items);
      else if (outcome === 'missed' && !asking) void ask();
    },
    onError,
  });
  return () => {
    leave();
    over.abort();
  };
}
