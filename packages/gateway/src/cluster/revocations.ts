/**
 * Revoked tokens and users. They are kept in Redis until every token concerned has expired, and in the memory of every
 * gateway: a check costs no round trip. A gateway hears of a new one over its link at once, and with its next heartbeat
 * where the link is down. What Redis loses, by a failover or a restart without its data, gateways write down again: nobody
 * comes back in because of that.
 */
import { CLOCK_TOLERANCE_SECONDS, type Identity } from '@belfry/shared/auth';
import { type ClusterKeys, type Connection, execAll } from '@belfry/shared/log';
import { type Clock, type Logger, readStored } from '@belfry/shared/service';

/** Either one token, by its `jti`, or every token that a user had been given by then. */
export type Revocation = { readonly tokenId: string } | { readonly userId: string };

export interface Revoked {
  /** What gateways have to be told, for `note`. */
  readonly word: string;
  /** Seconds since 1970: of a user, tokens that were issued up to then are refused. */
  readonly issuedUntil: number;
}

export interface Revocations {
  isRevoked(identity: Identity): boolean;
  /**
   * Writes it down for all gateways. Rejects where Redis did not take it.
   * @param forSeconds at least as long as tokens live
   */
  revoke(revocation: Revocation, forSeconds: number): Promise<Revoked>;
  /** Takes over at once what another gateway wrote: whatever comes behind that word goes to nobody revoked. */
  note(word: unknown): void;
  /** Reads them all. Resolves to whether there was anything new. */
  reload(): Promise<boolean>;
  /** Reads them all if they have changed. */
  refresh(): Promise<boolean>;
}

export interface RevocationsOptions {
  readonly connection: Connection;
  readonly keys: ClusterKeys;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/** Both in seconds since 1970: tokens issued up to `at` are revoked; `until`, by Redis' clock, it has to be remembered. */
interface Entry {
  readonly at: number;
  readonly until: number;
}

export function createRevocations(options: RevocationsOptions): Revocations {
  const { clock, connection, keys, logger } = options;
  let entries = new Map<string, Entry>();
  let version = '';
  /** Told of while they are being read: the reading may not have them. */
  let noted = new Map<string, Entry>();

  /** Redis' clock, which all gateways share: one whose own is wrong forgets nothing. */
  const redisSeconds = async (): Promise<number | undefined> => {
    const reply: unknown = await connection.time();
    const [seconds, microseconds] = Array.isArray(reply) ? reply.map(Number) : [];
    const time = (seconds ?? Number.NaN) + (microseconds ?? Number.NaN) / 1e6;
    return Number.isFinite(time) ? time : undefined;
  };
  /**
   * Up to when a token may say that it was issued, and have been there before this moment. What says so is a third clock, the
   * issuer's. One of Redis that is behind would spare tokens without a word, and so would ours: the later one counts, and
   * the difference to the issuer's that is granted wherever tokens are checked. Newer tokens are refused that long.
   */
  function issuedUntil(redisNow: number): number {
    const now = clock.now() / 1_000;
    const apart = redisNow - now;
    if (Math.abs(apart) > CLOCK_TOLERANCE_SECONDS) {
      logger.warn(
        { redisAheadSeconds: apart },
        'the clocks of Redis and of this gateway differ; revoked by the later one',
      );
    }
    return Math.max(redisNow, now) + CLOCK_TOLERANCE_SECONDS;
  }
  const fieldOf = (revocation: Revocation): string =>
    'tokenId' in revocation ? `jti:${revocation.tokenId}` : `user:${revocation.userId}`;

  /** One after the other: of two readings the later one has to stay. */
  let reading: Promise<unknown> = Promise.resolve();
  function reload(): Promise<boolean> {
    const next = reading.then(read, read);
    reading = next;
    return next;
  }

  async function read(): Promise<boolean> {
    // The version first: what comes in between is then read again, never taken for known.
    noted = new Map();
    const current = await connection.get(keys.revokedVersion);
    const stored = await connection.hgetall(keys.revoked);
    // Where Redis does not tell, nothing is old.
    const now = (await redisSeconds()) ?? 0;
    const found = new Map<string, Entry>();
    const over: string[] = [];
    // Redis always answers with a hash; what stands between us and it may not.
    for (const [field, text] of Object.entries((stored as typeof stored | null) ?? {})) {
      const entry = readEntry(text);
      if (entry && entry.until > now) found.set(field, entry);
      else over.push(field);
    }
    if (over.length > 0) await connection.hdel(keys.revoked, ...over);
    const isNew = [...found].some(([field, entry]) => entries.get(field)?.at !== entry.at);
    const lost = [...entries].filter(([field, entry]) => !found.has(field) && entry.until > now);
    entries = new Map([...lost, ...found, ...noted]);
    version = current ?? '';
    if (isNew) logger.info({ revocations: entries.size }, 'revocations read');
    if (lost.length > 0) await writeAgain(lost);
    return isNew;
  }

  /** For gateways that start later. Where one is there again, it is as good as this one or newer. */
  async function writeAgain(lost: readonly (readonly [field: string, entry: Entry])[]): Promise<void> {
    logger.warn({ revocations: lost.length }, 'Redis has lost revocations; they are written again');
    const transaction = connection.multi();
    for (const [field, entry] of lost) transaction.hsetnx(keys.revoked, field, JSON.stringify(entry));
    await execAll(transaction.set(keys.revokedVersion, `again ${lost.length} ${await redisSeconds()}`));
  }

  return {
    isRevoked({ issuedAt, tokenId, userId }) {
      if (entries.size === 0) return false;
      if (tokenId !== undefined && entries.has(`jti:${tokenId}`)) return true;
      const user = entries.get(`user:${userId}`);
      // A token that does not say when it was issued may have been issued before.
      return user !== undefined && (issuedAt === undefined || issuedAt <= user.at);
    },
    note(word) {
      const [field, text] = typeof word === 'string' ? word.split('\n') : [];
      const entry = readEntry(text ?? '');
      if (!field || !entry) return;
      entries = new Map(entries).set(field, entry);
      noted.set(field, entry);
    },
    async revoke(revocation, forSeconds) {
      const now = await redisSeconds();
      if (now === undefined) throw new Error('Redis does not tell the time');
      const at = issuedUntil(now);
      const entry: Entry = { at, until: now + forSeconds };
      const text = JSON.stringify(entry);
      // Not a count: one that begins anew after a loss could come to a version that gateways know.
      const transaction = connection.multi().hset(keys.revoked, fieldOf(revocation), text);
      await execAll(transaction.set(keys.revokedVersion, `${now} ${fieldOf(revocation)}`));
      return { word: `${fieldOf(revocation)}\n${text}`, issuedUntil: at };
    },
    reload,
    async refresh() {
      return ((await connection.get(keys.revokedVersion)) ?? '') !== version && reload();
    },
  };
}

const readEntry = (text: string): Entry | undefined =>
  readStored<Entry>(text, 'revocation', ({ at, until }) => typeof at === 'number' && typeof until === 'number');
