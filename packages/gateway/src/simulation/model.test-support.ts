/**
 * The model: every entry that was ever written to a channel's log, what stood before it and the snapshot after it. It is
 * told by the store, beneath everything that is tested, and says whether what a client was shown can be true.
 */
import type { Written } from '@belfry/shared/log/memory';
import { formatPosition } from '@belfry/shared/protocol';

interface Known {
  readonly frame: string | undefined;
  readonly previous: string | undefined;
  readonly snapshot: ReadonlySet<string>;
}

export interface Model {
  written(channel: string, written: Written): void;
  /** The position before an event; undefined for an event that never was. */
  previousOf(channel: string, id: string): string | undefined;
  isFrame(channel: string, id: string, frame: string): boolean;
  /** The frames of the snapshot that is true for a position; undefined for a position that never was. */
  snapshotAt(channel: string, id: string): ReadonlySet<string> | undefined;
  /** Notes something that must not happen. */
  violation(text: string): void;
  readonly violations: readonly string[];
}

export function createModel(onViolation: (text: string) => void): Model {
  const entries = new Map<string, Known>();
  const violations: string[] = [];
  const of = (channel: string, id: string): Known | undefined => entries.get(`${channel} ${id}`);

  function violation(text: string): void {
    violations.push(text);
    onViolation(text);
  }

  return {
    written(channel, { position, frame, previous, snapshot }) {
      const id = formatPosition(position);
      const known = of(channel, id);
      if (known) violation(`${channel} ${id} was given to two entries`);
      entries.set(`${channel} ${id}`, {
        frame,
        previous: previous && formatPosition(previous),
        snapshot: new Set(snapshot),
      });
    },
    previousOf: (channel, id) => of(channel, id)?.previous,
    isFrame: (channel, id, frame) => of(channel, id)?.frame === frame,
    snapshotAt: (channel, id) => of(channel, id)?.snapshot,
    violation,
    violations,
  };
}
