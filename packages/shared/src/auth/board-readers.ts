/** Who may read which board, as the setting BOARD_READERS says it: `tasks:MANAGER|LANDLORD,budget:*`. */

/** Roles by board; `*` among them stands for every signed-in user. A board that is missing is for HR and ADMIN. */
export type BoardReaders = ReadonlyMap<string, ReadonlySet<string>>;

export const EVERYONE = '*';

const ENTRY = /^([A-Za-z0-9_-]{1,64}):(\*|[A-Za-z0-9_-]+(?:\|[A-Za-z0-9_-]+)*)$/;

/**
 * How fresh the city's data is, which dashboards show to everybody. Who opens another board does not mean to close this
 * one: it stays open until the setting names it.
 */
export const OPEN_BOARDS = ['sources'] as const;

/** @throws Error that names the entry that is none */
export function parseBoardReaders(entries: readonly string[]): BoardReaders {
  const readers = new Map<string, ReadonlySet<string>>(OPEN_BOARDS.map((board) => [board, new Set([EVERYONE])]));
  for (const entry of entries) {
    const [, board, roles] = ENTRY.exec(entry) ?? [];
    if (board === undefined || roles === undefined) {
      throw new Error(`must be board:ROLE|ROLE or board:*, not ${JSON.stringify(entry)}`);
    }
    readers.set(board, new Set(roles.toUpperCase().split('|')));
  }
  return readers;
}
