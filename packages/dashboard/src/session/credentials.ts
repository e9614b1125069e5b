/** The token and the gateways: kept for this tab, or for this browser where somebody wanted that. */

export interface Credentials {
  readonly token: string;
  readonly gateways: readonly string[];
  readonly remembered: boolean;
  /** For the operations pages; never kept beyond the tab. */
  readonly operatorToken: string;
}

const NAME = 'belfry-dashboard:session';

function readIn(storage: Storage): Credentials | undefined {
  const text = storage.getItem(NAME);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as Credentials;
  } catch {
    storage.removeItem(NAME);
    return undefined;
  }
}

export const recall = (): Credentials | undefined => readIn(sessionStorage) ?? readIn(localStorage);

export function keep(credentials: Credentials): void {
  sessionStorage.setItem(NAME, JSON.stringify(credentials));
  if (credentials.remembered) localStorage.setItem(NAME, JSON.stringify({ ...credentials, operatorToken: '' }));
}

/** @param token only where it is this one; otherwise whichever it is */
export function forget(token?: string): void {
  for (const storage of [sessionStorage, localStorage]) {
    if (token === undefined || readIn(storage)?.token === token) storage.removeItem(NAME);
  }
}
