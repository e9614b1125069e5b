/**
 * A position names one event in its channel: `<epoch>-<offset>`. Offsets are contiguous inside an epoch; a new epoch
 * begins whenever Redis may have lost data, so the same position never names two different events.
 */

export interface Position {
  /** Milliseconds since 1970 at which the epoch began; later epochs have larger numbers. */
  readonly epoch: number;
  /** 0 is the mark with which an epoch may begin; events count up from there. */
  readonly offset: number;
}

const POSITION = /^(\d{1,16})-(\d{1,16})$/;

/** Reads `<epoch>-<offset>`; undefined for anything else, and for numbers that cannot be counted exactly. */
export function parsePosition(text: unknown): Position | undefined {
  if (typeof text !== 'string') return undefined;
  const match = POSITION.exec(text);
  if (!match) return undefined;
  const epoch = Number(match[1]);
  const offset = Number(match[2]);
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(offset) ? { epoch, offset } : undefined;
}

export const formatPosition = (position: Position): string => `${position.epoch}-${position.offset}`;

/** Negative when `a` comes before `b`, 0 when they are the same, positive when `a` comes after `b`. */
export const comparePositions = (a: Position, b: Position): number => a.epoch - b.epoch || a.offset - b.offset;

/** True when `b` is the event directly behind `a` in the same epoch. */
export const isNext = (a: Position, b: Position): boolean => a.epoch === b.epoch && b.offset === a.offset + 1;
