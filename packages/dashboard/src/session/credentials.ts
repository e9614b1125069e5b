/** The token and the gateways: kept for this tab, or for this browser where somebody wanted that. */

export interface Credentials {
  readonly token: string;
  readonly gateways: readonly string[];
  readonly remembered: boolean;
  /** For the operations pages; never kept beyond the tab. */
  readonly operatorToken: string;
}

const NAME = 'belfry-dashboard:session';

export function recall(): Credentials | undefined {
  for (const storage of [sessionStorage, localStorage]) {
    const text = storage.getItem(NAME);
    if (text === null) continue;
    try {
      return JSON.parse(text) as Credentials;
    } catch {
      storage.removeItem(NAME);
    }
  }
  return undefined;
}

export function keep(credentials: Credentials): void {
  sessionStorage.setItem(NAME, JSON.stringify(credentials));
  if (credentials.remembered) localStorage.setItem(NAME, JSON.stringify({ ...credentials, operatorToken: '' }));
}

export function forget(): void {
  sessionStorage.removeItem(NAME);
  localStorage.removeItem(NAME);
}
