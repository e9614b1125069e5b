/** The audit: every record of every client, checked against the protocol, the logs' order and what was accepted. */
import { channelName } from '../names.js';
import type { Chain } from './chain.js';
import type { Findings } from './findings.js';
import { createRules, type Follower, newFollower } from './follower.js';
import { KIND, packEpoch, readRecords } from './record.js';
import { createSightings, type Snapshot } from './sightings.js';

export interface AuditParts {
  readonly recordFiles: readonly string[];
  readonly startedAt: number;
  readonly chains: ReadonlyMap<number, Chain>;
  /** Below these numbers, by property, changes were reported. */
  readonly next: ArrayLike<number>;
  readonly findings: Findings;
}

type OpenSnapshot = Snapshot & {
  readonly channel: number;
  readonly events: Snapshot['events'][number][];
  left: number;
};

/** Resolves into `findings`. Takes about a second for five million records. */
export function audit({ chains, findings, next, recordFiles, startedAt }: AuditParts): void {
  const sightings = createSightings(findings, startedAt);
  let now = 0;
  const rules = createRules({
    startedAt,
    findings,
    sighted: sightings.sighted,
    crossed: sightings.crossed,
    gap: sightings.gap,
    now: () => now,
  });
  const clients: Map<number, Follower>[] = [];
  const snapshots = new Map<number, OpenSnapshot>();
  let deliveries = 0;

  const followerOf = (client: number, channel: number): Follower => {
    let channels = clients[client];
    if (!channels) {
      channels = new Map();
      clients[client] = channels;
    }
    let follower = channels.get(channel);
    if (!follower) {
      follower = newFollower();
      channels.set(channel, follower);
    }
    return follower;
  };

  function onRecord(kind: number, client: number, channel: number, a: number, b: number, c: number): void {
    switch (kind) {
      case KIND.event:
        deliveries += 1;
        return rules.event(client, channel, followerOf(client, channel), a, b, c);
      case KIND.subscribe: {
        const follower = followerOf(client, channel);
        follower.afterEpoch = a;
        follower.afterOffset = b;
        follower.asked = true;
        return;
      }
      case KIND.subscribed:
        return rules.subscribed(client, channel, followerOf(client, channel), a, b, c);
      case KIND.state: {
        rules.state(client, channel, followerOf(client, channel), a, b);
        const snapshot = { channel, epoch: a, offset: b, events: [], left: c };
        if (c === 0) sightings.snapshot(channel, snapshot);
        else snapshots.set(client, snapshot);
        return;
      }
      case KIND.stateEvent: {
        const snapshot = snapshots.get(client);
        if (!snapshot) return;
        snapshot.events.push({ epoch: a, offset: b, change: c });
        snapshot.left -= 1;
        if (snapshot.left > 0) return;
        snapshots.delete(client);
        return sightings.snapshot(snapshot.channel, snapshot);
      }
      case KIND.resync:
        return rules.resync(client, channel, followerOf(client, channel), a, b);
      case KIND.unsubscribed:
        followerOf(client, channel).following = false;
        return;
      case KIND.closed:
        for (const follower of clients[client]?.values() ?? []) {
          follower.following = false;
          follower.awaitsState = false;
          follower.replay = 0;
        }
        return;
      case KIND.opened:
        return;
      case KIND.time:
        now = a;
        return;
      case KIND.error:
        return findings.violation('protocol', () => `client ${client} on ${channelName(channel)} got an ERROR`);
      case KIND.foreign:
        return findings.violation('uninvited', () => `client ${client} got a frame that makes no sense`);
      default:
        throw new Error(`the record holds the unknown kind ${kind}`);
    }
  }

  for (const file of recordFiles) readRecords(file, onRecord);
  sightings.check(chains, next);
  findings.count('deliveries', deliveries);
  checkEnds();

  /** Everything is healed and quiet: who follows a channel is at its end. */
  function checkEnds(): void {
    for (const [client, channels] of clients.entries()) {
      for (const [channel, follower] of channels ?? []) {
        const end = chains.get(channel)?.end;
        if (!follower.following || !end) continue;
        findings.count('ends compared');
        if (follower.epoch === packEpoch(end.epoch, startedAt) && follower.offset === end.offset) continue;
        findings.violation(
          'behind',
          () =>
            `client ${client} on ${channelName(channel)} at ${rules.name(follower.epoch, follower.offset)}, not at ${end.epoch}-${end.offset}`,
        );
      }
    }
  }
}
