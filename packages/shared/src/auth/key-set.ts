/**
 * Public keys of an issuer, as a JWKS from a URL: fetched by one request at a time, kept while they are fresh, and kept
 * on when the issuer does not answer, because keys do not become bad by that. A token's `kid` only looks up: it never
 * says where keys come from.
 */
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Clock, Logger } from '../service/index.js';

/** Finds the key that a token's header names. */
export type FindKey = ReturnType<typeof createLocalJWKSet>;

export interface KeySet {
  /** The present keys; fetches them where there are none yet. @throws where they never could be fetched */
  keys(): Promise<FindKey>;
  /** A token names a key that is not there: fetches anew, unless that was just done. */
  refreshed(): Promise<FindKey>;
}

export interface KeySetOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetch: typeof fetch;
}

/** Issuers publish a key well before they sign with it. */
const FRESH_MS = 10 * 60_000;
/** Tokens with made-up key ids must not make us fetch for each of them. */
const REFETCH_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
const MAX_KEYS = 100;

export function createKeySet(options: KeySetOptions): KeySet {
  const { clock, logger } = options;
  let current: FindKey | undefined;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;

  async function load(): Promise<void> {
    triedAt = clock.now();
    // Redirects are not followed: the keys come from the configured place or from nowhere.
    const response = await options.fetch(options.url, {
      redirect: 'error',
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    const set = (await response.json()) as JSONWebKeySet;
    if (!Array.isArray(set.keys) || set.keys.length > MAX_KEYS) throw new Error('not a key set');
    // Only public keys for signatures: a shared secret in a published set would let anybody sign.
    current = createLocalJWKSet({ keys: set.keys.filter(({ kty, use }) => kty !== 'oct' && (use ?? 'sig') === 'sig') });
    fetchedAt = clock.now();
  }

  function loadOnce(): Promise<void> {
    running ??= load().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function keys(): Promise<FindKey> {
    if (!current) await loadOnce();
    else if (clock.now() - fetchedAt > FRESH_MS && clock.now() - triedAt > REFETCH_MS) {
      loadOnce().catch((error: unknown) => logger.warn({ err: error }, 'keys cannot be fetched; the known ones stay'));
    }
    if (!current) throw new Error('no keys');
    return current;
  }

  async function refreshed(): Promise<FindKey> {
    if (running || clock.now() - triedAt > REFETCH_MS) {
      await loadOnce().catch((error: unknown) => logger.warn({ err: error }, 'keys cannot be fetched'));
    }
    return keys();
  }

  return { keys, refreshed };
}
