/** Which channels a session follows without having asked for them, as its tokens and its wishes change. */
import { describe, expect, it } from 'vitest';
import { parseJoinRules } from './automatic-channels.js';
import { createStage } from './session.test-support.js';

describe('where all automatic joins are on', () => {
  const everything = {
    automaticJoins: { rules: parseJoinRules(['user', 'role', 'properties', 'global']), maxProperties: 100 },
  };
  const own = ['user:landlord-7', 'role:manager', 'role:everyone', 'property:1', 'property:2'];

  it('a manager follows the token’s properties unasked, is told so, and moves on with the next token', async () => {
    const stage = createStage(everything);
    const client = await stage.client({ role: 'MANAGER' });
    await stage.clock.advance(100);
    client.send({ type: 'GET_STATUS' });
    const [status] = client.take().slice(-1);
    expect(new Set(status?.subscriptions as string[])).toEqual(new Set(own));
    stage.append('property:1');
    await stage.clock.advance(10);
    expect(client.types()).toEqual(['EVENT']);
    stage.identities.set('newer', { role: 'MANAGER', properties: new Set(['2', '3']) });
    client.send({ type: 'AUTHENTICATE', token: 'newer' });
    const [authenticated, left] = client.take();
    expect(authenticated?.channels).toEqual([...own.slice(0, 3), 'property:2', 'property:3']);
    expect(left).toMatchObject({ type: 'UNSUBSCRIBED', channel: 'property:1', reason: 'forbidden' });
    await stage.clock.advance(100);
    for (const property of ['1', '2', '3']) stage.append(`property:${property}`);
    await stage.clock.advance(10);
    expect(client.types()).toEqual(['EVENT', 'EVENT']);
  });

  it('a token may name more properties than are joined, and its bearer is told how many', async () => {
    const stage = createStage({
      automaticJoins: { ...everything.automaticJoins, maxProperties: 12 },
      maxSubscriptions: 100,
    });
    const properties = new Set(Array.from({ length: 30 }, (_, n) => String(n)));
    stage.identities.set('good', { role: 'MANAGER', properties });
    const client = stage.connect('good');
    const [, authenticated] = client.take();
    const joined = [...own.slice(0, 3), ...[...properties].slice(0, 12).map((id) => `property:${id}`)];
    expect(authenticated).toMatchObject({ channels: joined, not_joined: 18 });
    await stage.clock.advance(100);
    client.send({ type: 'SUBSCRIBE', property_id: '29' });
    client.send({ type: 'GET_STATUS' });
    await stage.clock.advance(100);
    const status = client.take().find(({ type }) => type === 'STATUS');
    for (const id of ['0', '12', '29']) stage.append(`property:${id}`);
    await stage.clock.advance(10);
    expect(client.take().map(({ channel }) => channel)).toEqual(['property:0', 'property:29']);
    expect(new Set(status?.subscriptions as string[])).toEqual(new Set([...joined, 'property:29']));
    // However many may be joined, no more than a connection may hold.
    const full = createStage({ ...everything, maxSubscriptions: 10 });
    full.identities.set('good', { role: 'MANAGER', properties });
    expect(full.connect('good').take()[1]).toMatchObject({ not_joined: 23 });
  });

  it('a client that first wants some kinds, and all with its next token, follows all then', async () => {
    const stage = createStage(everything);
    stage.identities.set('good', { role: 'MANAGER' });
    const client = stage.connect();
    client.send({ type: 'AUTHENTICATE', token: 'good', join: ['user'] });
    await stage.clock.advance(100);
    client.send({ type: 'AUTHENTICATE', token: 'good' });
    await stage.clock.advance(100);
    client.take();
    for (const channel of own) stage.append(channel);
    await stage.clock.advance(10);
    expect(client.types()).toEqual(own.map(() => 'EVENT'));
  });

  it('a client gets those kinds only that it wants, and each event once where it asks for a channel, too', async () => {
    const stage = createStage(everything);
    await stage.clock.advance(100);
    stage.identities.set('good', { role: 'MANAGER' });
    const choosy = stage.connect();
    choosy.send({ type: 'AUTHENTICATE', token: 'good', join: ['user', 'role', 'something later'] });
    expect(choosy.take()[1]?.channels).toEqual(own.slice(0, 3));
    const asking = stage.connect();
    asking.send({ type: 'AUTHENTICATE', token: 'good' });
    asking.send({ type: 'SUBSCRIBE', property_id: '1' });
    await stage.clock.advance(100);
    asking.take();
    stage.append('property:1');
    await stage.clock.advance(10);
    expect([choosy.types(), asking.types()]).toEqual([[], ['EVENT']]);
  });

  it('who resumes a channel that was joined meanwhile gets what was missed and what is new, each once', async () => {
    const stage = createStage(everything);
    const witness = await stage.client({ role: 'MANAGER' });
    const [first] = stage.append('property:1', 3) as [string];
    await stage.clock.advance(100);
    witness.take();
    const client = stage.connect();
    client.send({ type: 'AUTHENTICATE', token: 'good' });
    client.send({ type: 'SUBSCRIBE', property_id: '1', after: first });
    expect(client.types()).toEqual(['WELCOME', 'AUTHENTICATED', 'SUBSCRIBED true', 'EVENT', 'EVENT']);
    stage.append('property:1');
    await stage.clock.advance(100);
    expect(client.types()).toEqual(['EVENT']);
  });

  it.each([
    ['HR', true],
    ['MANAGER', false],
    ['TENANT', false],
  ])('%s follows `global`: %s', async (role, follows) => {
    const stage = createStage(everything);
    const client = await stage.client({ role });
    await stage.clock.advance(100);
    client.take();
    stage.append('global');
    await stage.clock.advance(10);
    expect(client.types()).toEqual(follows ? ['EVENT'] : []);
  });
});
