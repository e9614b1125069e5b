/**
 * The auditor's own idea of one client on one channel, worked out from the record alone: where it stands, what it was
 * told, and whether what comes next may come.
 *
 *   apart ──► asked ──► replaying ──► live ◄──► awaiting a snapshot
 */
import { channelName } from '../names.js';
import type { LogPosition } from './chain.js';
import type { Findings } from './findings.js';
import { unpackEpoch } from './record.js';

/** What the auditor knows beyond a single client. Epochs are packed as in the record. */
export interface Knowledge {
  readonly startedAt: number;
  readonly findings: Findings;
  /** Everything ever seen at a position is the same change. */
  readonly sighted: (channel: number, epoch: number, offset: number, change: number) => void;
  /** A client went from one position to another of a later epoch without being told of a gap: to be checked later. */
  readonly crossed: (channel: number, from: LogPosition, to: LogPosition, eventAtEnd: boolean) => void;
  /** A client at `from` was told that there is a gap before `to`. */
  readonly gap: (channel: number, from: LogPosition, to: LogPosition) => void;
  /** When the record was written, in milliseconds since the start. */
  readonly now: () => number;
}

export interface Follower {
  following: boolean;
  epoch: number;
  offset: number;
  afterEpoch: number;
  afterOffset: number;
  /** Events of a replay that are still to come, and where it ends. */
  replay: number;
  endEpoch: number;
  endOffset: number;
  /** RESYNC, or `recovered: false`, was said: a STATE has to come next. */
  awaitsState: boolean;
  /** The client asked anew because something did not fit. */
  asked: boolean;
  /** Offsets of the present epoch that were passed over and may still come late. */
  missing: Set<number> | undefined;
}

export const newFollower = (): Follower => ({
  following: false,
  epoch: 0,
  offset: 0,
  afterEpoch: 0,
  afterOffset: 0,
  replay: 0,
  endEpoch: 0,
  endOffset: 0,
  awaitsState: false,
  asked: false,
  missing: undefined,
});

const NO_RECOVERY = 0;
const RECOVERED = 1;

export function createRules(know: Knowledge) {
  const { findings } = know;
  const name = (epoch: number, offset: number): string => `${unpackEpoch(epoch, know.startedAt)}-${offset}`;
  const where = (client: number, channel: number): string =>
    `at ${(know.now() / 1_000).toFixed(1)} s client ${client} on ${channelName(channel)}`;

  function moveTo(follower: Follower, epoch: number, offset: number): void {
    if (follower.epoch !== epoch) follower.missing = undefined;
    follower.epoch = epoch;
    follower.offset = offset;
  }

  function event(client: number, channel: number, follower: Follower, epoch: number, offset: number, change: number) {
    know.sighted(channel, epoch, offset, change);
    const told = (what: string) => () =>
      `${where(client, channel)}: ${name(epoch, offset)} ${what} ${name(follower.epoch, follower.offset)}`;
    if (!follower.following) return findings.violation('uninvited', told('without a subscription, after'));
    if (follower.awaitsState) findings.violation('protocol', told('between a signalled gap and its STATE, after'));
    if (epoch === follower.epoch && offset === follower.offset + 1) follower.offset = offset;
    else if (epoch > follower.epoch) {
      know.crossed(channel, { ...follower }, { epoch, offset }, true);
      moveTo(follower, epoch, offset);
    } else if (epoch === follower.epoch && offset > follower.offset) {
      findings.violation('lost', told('directly after'), offset - follower.offset - 1);
      follower.missing ??= new Set();
      for (let passed = follower.offset + 1; passed < offset; passed += 1) follower.missing.add(passed);
      follower.offset = offset;
    } else if (epoch === follower.epoch && follower.missing?.delete(offset)) {
      findings.retract('lost', 1);
      findings.violation('reordered', told('late, after'));
      return;
    } else {
      findings.violation('doubled', told('again, after'));
      return;
    }
    if (follower.replay > 0) replayed(client, channel, follower);
  }

  function replayed(client: number, channel: number, follower: Follower): void {
    findings.count('events by replay');
    follower.replay -= 1;
    if (follower.replay > 0) return;
    // A replay's end may be a mark: an epoch that has begun and has no event yet.
    if (follower.epoch === follower.endEpoch && follower.offset === follower.endOffset) return;
    const [epoch, offset] = [follower.epoch, follower.offset];
    if (follower.endEpoch > epoch) {
      know.crossed(channel, { epoch, offset }, { epoch: follower.endEpoch, offset: follower.endOffset }, false);
      moveTo(follower, follower.endEpoch, follower.endOffset);
      return;
    }
    findings.violation(
      'protocol',
      () =>
        `${where(client, channel)}: a replay that should end at ${name(follower.endEpoch, follower.endOffset)} ended at ${name(epoch, offset)}`,
    );
  }

  function subscribed(client: number, channel: number, follower: Follower, epoch: number, offset: number, c: number) {
    const recovered = c & 3;
    follower.replay = c >> 2;
    follower.following = true;
    follower.asked = false;
    follower.missing = undefined;
    follower.awaitsState = false;
    const { afterEpoch, afterOffset } = follower;
    const problem = (what: string) =>
      findings.violation('protocol', () => `${where(client, channel)}: SUBSCRIBED ${name(epoch, offset)} ${what}`);
    if (recovered === NO_RECOVERY) {
      if (afterEpoch !== 0) problem('does not say whether it recovered');
      findings.count('subscriptions without a position');
      moveTo(follower, epoch, offset);
      return;
    }
    if (recovered !== RECOVERED) {
      findings.count('gaps signalled by recovered: false');
      know.gap(channel, { epoch: afterEpoch, offset: afterOffset }, { epoch, offset });
      follower.awaitsState = true;
      return;
    }
    findings.count('recovered: true');
    if (afterEpoch === 0) problem('says that it recovered, unasked');
    moveTo(follower, afterEpoch, afterOffset);
    follower.endEpoch = epoch;
    follower.endOffset = offset;
    if (follower.replay > 0 || (epoch === afterEpoch && offset === afterOffset)) return;
    if (epoch > afterEpoch) know.crossed(channel, { epoch: afterEpoch, offset: afterOffset }, { epoch, offset }, false);
    else {
      const passed = epoch === afterEpoch ? offset - afterOffset : 1;
      findings.violation(
        'lost',
        () => `${where(client, channel)}: SUBSCRIBED says ${name(epoch, offset)} is ${name(afterEpoch, afterOffset)}`,
        Math.max(1, passed),
      );
    }
    moveTo(follower, epoch, offset);
  }

  function state(client: number, channel: number, follower: Follower, epoch: number, offset: number): void {
    if (!follower.awaitsState) {
      findings.violation(
        'protocol',
        () => `${where(client, channel)}: STATE ${name(epoch, offset)} that nothing announced`,
      );
    }
    follower.awaitsState = false;
    follower.missing = undefined;
    moveTo(follower, epoch, offset);
  }

  function resync(client: number, channel: number, follower: Follower, epoch: number, offset: number): void {
    findings.count('gaps signalled by RESYNC');
    know.gap(channel, { epoch: follower.epoch, offset: follower.offset }, { epoch, offset });
    if (!follower.following)
      findings.violation('uninvited', () => `${where(client, channel)}: RESYNC without a subscription`);
    follower.awaitsState = true;
  }

  return { event, subscribed, state, resync, name };
}
