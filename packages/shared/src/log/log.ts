/**
 * The channel log as both services see it: a publisher appends, a gateway reads. `redis-log.ts` is the real one,
 * `memory-log.ts` the one for simulations; one conformance suite runs over both.
 */
import type { Position } from '../protocol/index.js';
import { RedisUnavailable } from '../service/redis-trouble.js';

/** One event as it stands in the log. */
export interface LogEntry {
  readonly position: Position;
  /** The event's frame, as clients receive it; undefined for the mark with which an epoch begins. */
  readonly frame: string | undefined;
}

/** Whether a read brings the snapshot: always, only where the log does not reach back far enough, or never. */
export type SnapshotWanted = 'always' | 'broken' | 'never';

export interface ReadRequest {
  /** The last position that is known; what follows it is read. Undefined: only the end of the log. */
  readonly from?: Position | undefined;
  /** How many last entries to return where `from` is undefined or the log does not hold it any more. */
  readonly last: number;
  readonly snapshot: SnapshotWanted;
  /** Whether a channel without a log gets one, so that it can be followed from its beginning; else it is at 0-0. Default: true. */
  readonly begin?: boolean;
}

/** A channel at one instant. */
export interface ChannelReading {
  /** The channel's position; every channel has one, even where no event was ever published. */
  readonly position: Position;
  /** True when `from` is in the log, and `entries` are all that follow it. Never true of a part. */
  readonly continuous: boolean;
  /** What follows `from` when `continuous`, else the last entries; oldest first. */
  readonly entries: readonly LogEntry[];
  /** The last event of each key, true for `position`. */
  readonly snapshot: readonly string[] | undefined;
}

/** What a gateway needs of the log. */
export interface LogReader {
  /** @throws LogUnavailable when Redis does not answer in time, ChannelBroken */
  read(channel: string, request: ReadRequest): Promise<ChannelReading>;
  /** The position of each channel, in order; undefined where the channel has no log, or a broken one. Cheap: for checks of thousands. */
  positions(channels: readonly string[]): Promise<(Position | undefined)[]>;
}

/** What keeps silent channels from being forgotten while somebody follows them. */
export interface LogKeeper {
  /**
   * Keeps the logs of these channels, with their snapshots, for some hours from now, where they would go sooner; does
   * nothing for channels without one. @throws LogUnavailable
   */
  keep(channels: readonly string[]): Promise<void>;
}

/** An event to append. */
export interface NewEvent {
  /** Which snapshot entry it replaces: the violation type, the document's key …; undefined for none. */
  readonly key: string | undefined;
  /** The snapshot entry of its key is taken away instead: what it spoke of is gone. */
  readonly removes?: boolean;
  /** The event as JSON, an object with at least one field and without `id`. */
  readonly body: string;
}

/** What one intake entry does to one channel. Applied whole or not at all. */
export interface AppendEntry {
  /** The entry's id in the intake stream: the compare-and-set that makes a repeated append harmless. */
  readonly intakeId: string;
  readonly idempotencyKey?: string | undefined;
  readonly events: readonly NewEvent[];
  /** Facts that detection keeps; an empty value deletes the field. */
  readonly facts?: Readonly<Record<string, string>> | undefined;
}

export interface AppendRequest {
  readonly channel: string;
  /** Intake entries of different lanes may reach a channel in any order, those of one lane only in order. */
  readonly lane: number;
  /**
   * The lane's position that the entries were worked out against; undefined: only repeated entries are refused, and those
   * whose idempotency key was seen before move the lane on and bring nothing.
   */
  readonly expected?: string | undefined;
  /**
   * The generations of Redis (see `readGenerations`) under which all entries before these are known to be applied.
   * Under any other the append is refused: what came before may be lost. Undefined: not checked.
   */
  readonly generations?: readonly string[] | undefined;
  readonly entries: readonly AppendEntry[];
}

export type AppendOutcome =
  | {
      readonly status: 'ok';
      /** The channel began a new epoch: Redis restarted or failed over, and may have lost events. */
      readonly epochChanged: boolean;
      /** Per entry the positions of its events; undefined where it had been applied before, none where its key had been seen. */
      readonly results: readonly (readonly string[] | undefined)[];
    }
  | {
      readonly status: 'conflict';
      /** Where the lane stands: read the facts again and work the entries out anew. */
      readonly applied: string;
    }
  | {
      /** Redis restarted or failed over, and may have lost entries before these: they must be appended again first. */
      readonly status: 'fenced';
      readonly generation: string;
    };

/** What detection knows of a channel, and the lane's position that it is true for. */
export interface ChannelFacts {
  readonly applied: string;
  readonly values: readonly (string | undefined)[];
  /** Per idempotency key, whether it was seen before. */
  readonly seen: readonly boolean[];
}

export type FactsSource = 'facts' | 'snapshot';

/** What a publisher needs of the log. Every call @throws LogUnavailable, ChannelBroken */
export interface LogWriter {
  append(request: AppendRequest): Promise<AppendOutcome>;
  facts(request: {
    readonly channel: string;
    readonly lane: number;
    readonly fields: readonly string[];
    /** Where the fields are looked up: among the facts, or in the snapshot, by key. Default: `facts`. */
    readonly from?: FactsSource;
    readonly idempotencyKeys: readonly string[];
  }): Promise<ChannelFacts>;
  /** The frames that an intake entry brought to a channel before, as long as the log holds them. */
  applied(channel: string, intakeIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
}

/**
 * Under a key of the channel lies what is not ours. It does not pass by itself: somebody has to take it away. Nothing was
 * written, and other channels are as they should be.
 */
export class ChannelBroken extends Error {
  readonly code = 'CHANNEL_BROKEN';
}

/** Redis did not answer, or refused for a reason that passes by itself. Repeat later; nothing is decided. */
export class LogUnavailable extends RedisUnavailable {
  readonly code = 'LOG_UNAVAILABLE';
}
