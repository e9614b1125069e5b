import { setTimeout as sleep } from 'node:timers/promises';
import {
  eventually,
  REPLICATION_ARGS,
  replicaInSync,
  startRedis,
  startSentinel,
  type TestRedis,
} from '@belfry/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { channelNames, type LinkUnderTest, openLink, topicOf, unhandledDuring } from './link.test-support.js';

const open: { stop(): Promise<void> | void }[] = [];
const keep = <T extends { stop(): Promise<void> | void }>(part: T): T => {
  open.push(part);
  return part;
};
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

function linkTo(url: string, probeIntervalMs?: number): LinkUnderTest {
  const subject = openLink(url, probeIntervalMs);
  open.push({ stop: () => subject.close() });
  return subject;
}
const subscribeAll = (subject: LinkUnderTest, channels: readonly string[]) =>
  Promise.all(channels.map((channel) => subject.link.subscribe(channel)));
const isWhole = (subject: LinkUnderTest) => eventually('whole link', () => subject.link.whole);
const killSubscribers = (redis: TestRedis) => redis.connect().call('CLIENT', 'KILL', 'TYPE', 'pubsub');

describe('a link to one Redis', () => {
  it('hears everything that is published after a subscription is confirmed', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url);
    const channels = channelNames(2_000);
    await subscribeAll(subject, channels);
    await subject.hearsAll(channels);
    subject.link.unsubscribe('property:0');
    const count = async () =>
      Number(((await redis.connect().call('PUBSUB', 'SHARDNUMSUB', topicOf('property:0'))) as [string, number])[1]);
    await eventually('unsubscription', async () => (await count()) === 0);
    await subject.hearsAll(channels.slice(1));
  });

  it('tells who follows a channel once Redis has confirmed it, and on every connection anew; not of one that was left', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url);
    await isWhole(subject);
    const channels = channelNames(1_200);
    for (const channel of channels) subject.link.follow(channel);
    subject.link.follow('property:0');
    subject.link.unsubscribe('property:1199');
    const kept = channels.slice(0, -1);
    await eventually('confirmations', () => subject.subscribed.length >= kept.length);
    expect(subject.subscribed).toEqual(kept);
    await subject.hearsAll(kept);
    subject.subscribed.length = 0;
    await killSubscribers(redis);
    await eventually('confirmations', () => subject.subscribed.length >= kept.length);
    expect([...subject.subscribed].sort()).toEqual([...kept].sort());
  });

  it('has all of 5,000 channels again after its connection was cut again and again, most of all while resubscribing', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url);
    const channels = channelNames(5_000);
    const unhandled = await unhandledDuring(async () => {
      await subscribeAll(subject, channels);
      let cuts = 0;
      const cut = async () => {
        await eventually('a connection to cut', async () => Number(await killSubscribers(redis)) > 0);
        cuts += 1;
      };
      // Before it has noticed a cut it still takes itself for whole.
      const isWholeAgain = () => eventually('whole link', () => subject.downs.length >= cuts && subject.link.whole);
      for (let round = 0; round < 4; round += 1) {
        await isWholeAgain();
        await cut();
        // Within the first moments of an attempt.
        for (let again = 0; again < 2; again += 1) {
          await sleep(Math.random() * 20);
          await cut();
        }
      }
      await isWholeAgain();
      subject.synced.clear();
      await cut();
      await eventually('sync of all channels', () => subject.synced.size === channels.length);
      await subject.hearsAll(channels);
    });
    expect(unhandled).toEqual([]);
    expect(subject.downs.length).toBeGreaterThanOrEqual(13);
  });

  it('takes channels that come and go while it is down', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url);
    await subscribeAll(subject, channelNames(10));
    const unhandled = await unhandledDuring(async () => {
      await redis.kill();
      await eventually('noticing', () => !subject.link.whole);
      const late = subject.link.subscribe('property:late');
      subject.link.unsubscribe('property:0');
      const given = subject.link.subscribe('property:given-up');
      subject.link.unsubscribe('property:given-up');
      await redis.start();
      await late;
      await subject.hearsAll(['property:late', ...channelNames(10).slice(1)]);
      expect(await Promise.race([given.then(() => 'subscribed'), sleep(50, 'waits')])).toBe('waits');
    });
    expect(unhandled).toEqual([]);
  });

  it('logs once that it is down, however often it tries, and once that it is whole again', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url);
    await isWhole(subject);
    subject.said.length = 0;
    await redis.kill();
    await eventually('several attempts', () => subject.downs.length > 3);
    await redis.start();
    await isWhole(subject);
    expect(subject.said).toEqual(['link down', 'link synced']);
  });

  it('finds a Redis that holds connections open and answers nothing, and is whole once it answers again', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url, 300);
    const channels = channelNames(50);
    await subscribeAll(subject, channels);
    redis.freeze();
    await eventually('missed probe', () => subject.downs.includes('probe missed') && !subject.link.whole);
    redis.thaw();
    await isWhole(subject);
    await subject.hearsAll(channels);
  });

  it('without probes would take a silent Redis for a sound one', async () => {
    const redis = keep(await startRedis());
    const subject = linkTo(redis.url, 60_000);
    await subscribeAll(subject, channelNames(5));
    redis.freeze();
    await sleep(1_500);
    expect(subject.link.whole).toBe(true);
    redis.thaw();
  });
});

describe('a link behind Sentinel', () => {
  it('follows a failover, and hears what the new master publishes', async () => {
    const set = keep(await startSentinel());
    const subject = linkTo(
      `redis+sentinel://${set.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')}/${set.name}`,
    );
    const channels = channelNames(200);
    const unhandled = await unhandledDuring(async () => {
      await subscribeAll(subject, channels);
      const former = await set.master();
      await former.kill();
      await set.failedOver(former);
      await eventually('hearing from the new master', () => subject.hearsAll(channels, 300).then(() => true), {
        deadlineMs: 30_000,
      });
      expect(subject.link.whole).toBe(true);
    });
    expect(unhandled).toEqual([]);
  }, 120_000);
});

describe('a subscription that is dead and does not look it', () => {
  /** The subscription stays with a node that has been detached; commands go to the one that counts. */
  async function detached(probeIntervalMs: number) {
    const master = keep(await startRedis({ args: REPLICATION_ARGS }));
    const replica = keep(await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`, ...REPLICATION_ARGS] }));
    await replicaInSync(replica);
    const subject = openLink(replica.url, probeIntervalMs);
    open.push({ stop: () => subject.close() });
    // As when the address behind a name has moved: what publishes has gone on to the master, the link has not.
    const toMaster = master.connect();
    subject.commands.spublish = ((topic: string, frame: string) => toMaster.spublish(topic, frame)) as never;
    await subscribeAll(subject, channelNames(5));
    await isWhole(subject);
    await replica.connect().replicaof('NO', 'ONE');
    return subject;
  }

  it('is found by the probe', async () => {
    const subject = await detached(300);
    await eventually('missed probe', () => subject.downs.includes('probe missed'));
  });

  it('is not found without one', async () => {
    const subject = await detached(60_000);
    await sleep(1_500);
    expect(subject.downs).toEqual([]);
  });
});
