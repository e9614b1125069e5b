/**
 * What users with preferences or a portfolio may read at present. Those outlive the token that they were written with, so gateways
 * note every newer token that is shown to them, and publishers take everything from users who were revoked. Without that
 * somebody who has lost a property would go on hearing of it. What is noted carries the time at which its token was issued, and
 * only a token that is not older takes its place, whatever it was shown for.
 */
import { createHash } from 'node:crypto';
import { type Connection, clusterKeys, execAll } from '../log/index.js';
import type { Clock, Logger } from '../service/index.js';
import { concernKeys, concerns, type Readable } from './concern.js';
import type { Preferences } from './preferences.js';
import { withAccessScripts } from './scripts.js';

/** A token that was shown. */
export interface Shown {
  readonly userId: string;
  /** Seconds since 1970 at which it was issued; undefined where it does not say so: then it counts as issued now. */
  readonly issuedAt: number | undefined;
  readonly readable: () => Readable;
}

export interface AccessStore {
  /** Undefined for users whose access is not followed: those without preferences or portfolio. */
  read(userId: string): Promise<Readable | undefined>;
  /**
   * Follows a user's access from now on. Resolves to what the user may read: by this token, or by a newer one that was
   * noted before.
   */
  follow(shown: Shown): Promise<Readable>;
  /** Has a user with rules for whatever may be read found by what that is now. */
  index(userId: string): Promise<void>;
  readAll(userIds: readonly string[]): Promise<readonly (Readable | undefined)[]>;
  /** Of those whose access is followed, writes down what their tokens allow; older tokens than the noted one count not. */
  note(shown: readonly Shown[]): Promise<void>;
  /** Takes everything from users who were revoked, until they show a newer token. Resolves to how many they were. */
  withdraw(): Promise<number>;
}

export function createAccessStore(options: {
  readonly connection: Connection;
  readonly prefix: string;
  readonly clock: Pick<Clock, 'now'>;
}): AccessStore {
  const { clock } = options;
  const connection = withAccessScripts(options.connection);
  const base = `${options.prefix}:{alerts}:access`;
  /** Beside it, `<seconds> <digest>`: lists of thousands need not be read to see that they are the same. */
  const marks = `${base}:marks`;
  const { revoked } = clusterKeys(options.prefix);
  const keys = concernKeys(options.prefix);

  /** Undefined where the user's access is not followed. */
  async function write(
    { issuedAt = clock.now() / 1_000, readable, userId }: Shown,
    mark: string | undefined,
    follow: boolean,
  ) {
    const now = readable();
    const digest = digestOf(now);
    const note = (text: string) =>
      connection.belfryNoteAccess(base, marks, userId, issuedAt, digest, text, follow ? 1 : 0);
    // Lists of thousands are sent only where they are not what is noted already.
    const same = mark !== undefined && markIn(mark)[1] === digest;
    const noted = (same && (await note(''))) || (await note(JSON.stringify(now)));
    return noted === null ? undefined : readableIn(noted);
  }

  /** Who has rules for whatever may be read is found by what came to it. What may not be read any more stays in there. */
  async function indexAll(changed: readonly (readonly [userId: string, readable: Readable])[]): Promise<void> {
    if (changed.length === 0) return;
    const rules = await connection.hmget(keys.preferences, ...changed.map(([userId]) => userId));
    const transaction = connection.multi();
    for (const [n, [userId, readable]] of changed.entries()) {
      for (const key of concerns(keys, { rules: boundlessIn(rules[n]) }, readable)) transaction.sadd(key, userId);
    }
    await execAll(transaction);
  }

  const readAll = async (userIds: readonly string[]): Promise<(Readable | undefined)[]> => {
    if (userIds.length === 0) return [];
    const texts = await connection.hmget(base, ...userIds);
    return texts.map((text) => (text === null ? undefined : readableIn(text)));
  };

  return {
    readAll,
    read: async (userId) => (await readAll([userId]))[0],
    index: async (userId) => indexAll([[userId, (await readAll([userId]))[0] ?? []]]),
    async follow(shown) {
      const readable = (await write(shown, undefined, true)) ?? [];
      await indexAll([[shown.userId, readable]]);
      return readable;
    },
    async note(shown) {
      if (shown.length === 0) return;
      const known = await connection.hmget(marks, ...shown.map(({ userId }) => userId));
      const changed: [userId: string, readable: Readable][] = [];
      await Promise.all(
        shown.map(async (one, n) => {
          const mark = known[n];
          if (!mark) return;
          const [at, digest] = markIn(mark);
          const { issuedAt = clock.now() / 1_000, readable, userId } = one;
          // A token says whole seconds only.
          if (issuedAt < Math.floor(at)) return;
          const same = digestOf(readable()) === digest;
          if (same && issuedAt <= at) return;
          const noted = await write({ ...one, issuedAt }, mark, false);
          if (!same && noted) changed.push([userId, noted]);
        }),
      );
      await indexAll(changed);
    },
    async withdraw() {
      const users: (readonly [userId: string, at: number])[] = [];
      for (const [field, text] of Object.entries(await connection.hgetall(revoked))) {
        const at = revokedAt(text);
        if (field.startsWith('user:') && at !== undefined) users.push([field.slice('user:'.length), at]);
      }
      if (users.length === 0) return 0;
      const known = await connection.hmget(marks, ...users.map(([userId]) => userId));
      const standing = users.flatMap(([userId, at], n): Shown[] => {
        const [notedAt, digest] = markIn(known[n] ?? '');
        return known[n] && notedAt <= at && digest !== NOTHING ? [{ userId, issuedAt: at, readable: () => [] }] : [];
      });
      await Promise.all(standing.map((one) => write(one, undefined, false)));
      return standing.length;
    },
  };
}

const digestOf = (readable: Readable): string =>
  createHash('sha256')
    .update(readable === 'all' ? '*' : [...readable].sort().join())
    .digest('base64url')
    .slice(0, 16);
const NOTHING = digestOf([]);

function markIn(mark: string): readonly [at: number, digest: string] {
  const [at = '', digest = ''] = mark.split(' ');
  return [Number(at) || 0, digest];
}

/** The rules for whatever may be read; none where they cannot be read: those make no alerts. */
function boundlessIn(text: string | null | undefined): Preferences['rules'] {
  try {
    const { preferences } = JSON.parse(text ?? '{}') as { preferences?: Preferences };
    return (preferences?.rules ?? []).filter(({ properties }) => properties === '*');
  } catch {
    return [];
  }
}

/** What cannot be read allows nothing. */
function readableIn(text: string): Readable {
  try {
    const readable: unknown = JSON.parse(text);
    return readable === 'all' || Array.isArray(readable) ? (readable as Readable) : [];
  } catch {
    return [];
  }
}

/** As gateways write it. */
function revokedAt(text: string): number | undefined {
  try {
    const { at } = JSON.parse(text) as { at?: unknown };
    return typeof at === 'number' ? at : undefined;
  } catch {
    return undefined;
  }
}

export interface AccessNotes<Who> {
  /** Called with everybody whose token was found good; costs no more than a Map does. */
  seen(who: Who): void;
  stop(): void;
}

const NOTE_EVERY_MS = 1_000;
const AT_ONCE = 500;

/** Notes what is shown, about once a second and many at a time. What Redis did not take is told by the next token. */
export function startAccessNotes<Who extends Omit<Shown, 'readable'>>(options: {
  readonly store: Pick<AccessStore, 'note'>;
  readonly readableTo: (who: Who) => Readable;
  readonly clock: Clock;
  readonly logger: Logger;
}): AccessNotes<Who> {
  const { clock, logger, readableTo, store } = options;
  const waiting = new Map<string, Who>();
  let writing = false;

  async function flush(): Promise<void> {
    if (writing) return;
    writing = true;
    try {
      while (waiting.size > 0) {
        const part = [...waiting.values()].slice(0, AT_ONCE);
        for (const { userId } of part) waiting.delete(userId);
        await store.note(
          part.map((who) => ({ userId: who.userId, issuedAt: who.issuedAt, readable: () => readableTo(who) })),
        );
      }
    } catch (error) {
      logger.debug({ err: error }, 'what users may read was not noted');
    } finally {
      writing = false;
    }
  }

  const stop = clock.every(NOTE_EVERY_MS, () => void flush());
  return {
    seen(shown) {
      const before = waiting.get(shown.userId);
      if (before && (before.issuedAt ?? 0) > (shown.issuedAt ?? Number.POSITIVE_INFINITY)) return;
      waiting.set(shown.userId, shown);
    },
    stop,
  };
}
