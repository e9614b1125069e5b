/**
 * Whoever is found to be too slow is closed when the turn is over. What happens to its channels until then must not show it
 * something behind what it was not sent: it would come back from there, and never get what is missing.
 */
import { describe, expect, it } from 'vitest';
import { createStage } from './session.test-support.js';

/** A client whose joins wait for the log, found to be too slow or not before the log answers; then there is an event more. */
async function whileJoining(buffered: number) {
  const turnsEnd: (() => void)[] = [];
  const stage = createStage({ afterThisTurn: (run) => void turnsEnd.push(run) });
  const [follower, client] = [await stage.client({ role: 'ADMIN' }), await stage.client({ role: 'ADMIN' })];
  const ids = stage.append('property:1', 60);
  follower.send({ type: 'SUBSCRIBE', property_id: '1' });
  await stage.clock.advance(100);
  // From here on the channel has a topic.
  ids.push(...stage.append('property:1'));
  await stage.clock.advance(100);

  // Behind what the tail holds: the log has to be read.
  client.send({ type: 'SUBSCRIBE', property_id: '1', after: ids[2] });
  client.buffered = buffered;
  client.session.checkPace(0);
  expect(client.types()).toEqual([]);
  await stage.clock.advance(100);
  ids.push(...stage.append('property:1'));
  await stage.clock.advance(100);
  const frames = client.take();
  for (const run of turnsEnd) run();
  await stage.clock.advance(100);
  return { ids, frames, behind: client.take(), closedWith: client.closedWith, stage, follower };
}

describe('a client whose join is answered between its being found too slow and its end', () => {
  it('is shown nothing of the channel, and is followed by nobody when it has gone', async () => {
    const { frames, behind, closedWith, stage, follower } = await whileJoining(1);
    expect([...frames, ...behind]).toEqual([]);
    expect(closedWith).toBe(4201);
    expect(stage.hub.channels.get('property:1')?.followers).toBe(1);
    expect(follower.types().slice(1)).toEqual(['EVENT', 'EVENT']);
  });

  it('gets all of it, and what comes next, where it was quick enough', async () => {
    const { ids, frames, closedWith } = await whileJoining(0);
    expect(frames.map(({ type, id }) => `${type} ${id}`)).toEqual([
      `SUBSCRIBED ${ids[60]}`,
      ...ids.slice(3).map((id) => `EVENT ${id}`),
    ]);
    expect(closedWith).toBeUndefined();
  });
});

it('a client on a channel that was quiet is not put on its topic once it was found too slow', async () => {
  const turnsEnd: (() => void)[] = [];
  const stage = createStage({ afterThisTurn: (run) => void turnsEnd.push(run) });
  const [slow, quick] = [await stage.client({ role: 'ADMIN' }), await stage.client({ role: 'ADMIN' })];
  for (const client of [slow, quick]) client.send({ type: 'SUBSCRIBE', property_id: '1' });
  await stage.clock.advance(100);
  expect([slow.types(), quick.types()]).toEqual([['SUBSCRIBED'], ['SUBSCRIBED']]);
  slow.buffered = 1;
  for (const { session } of [slow, quick]) session.checkPace(0);
  stage.append('property:1', 2);
  await stage.clock.advance(100);
  expect([slow.types(), quick.types()]).toEqual([[], ['EVENT', 'EVENT']]);
  for (const run of turnsEnd) run();
  expect(slow.closedWith).toBe(4201);
  expect(stage.hub.channels.get('property:1')?.followers).toBe(1);
});
