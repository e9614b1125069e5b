/** What can happen in a world: each with its weight, drawn one after the other. */
import { CLOSE_CODES } from '@belfry/shared/protocol';
import { identityIn } from './gateway.test-support.js';
import { PROPERTIES, type World } from './world.test-support.js';

interface Happening {
  readonly weight: number;
  /** Costs events that were written. */
  readonly loses?: boolean;
  readonly run: (world: World) => void;
}

const HAPPENINGS: readonly Happening[] = [
  { weight: 40, run: (world) => world.publish(world.random.pick(world.channels), 1 + world.random.below(3)) },
  // More than a log keeps.
  { weight: 2, run: (world) => burst(world) },
  { weight: 12, run: (world) => subscribe(world) },
  { weight: 3, run: (world) => unsubscribe(world) },
  {
    weight: 3,
    run: (world) => world.random.pick(world.clients).askForState(`property:${world.random.pick(PROPERTIES)}`),
  },
  { weight: 2, run: (world) => world.random.pick(world.clients).send({ type: 'PING' }) },
  { weight: 4, run: (world) => dropClient(world) },
  { weight: 2, run: (world) => stall(world) },
  { weight: 2, run: (world) => narrow(world) },
  { weight: 1, run: (world) => expire(world) },
  { weight: 1, run: (world) => disconnect(world) },
  { weight: 3, run: (world) => cutLink(world) },
  { weight: 1, run: (world) => deadenLink(world) },
  { weight: 1, run: (world) => lossy(world) },
  { weight: 2, run: (world) => redisAway(world) },
  { weight: 2, run: (world) => restartRedis(world, 0) },
  { weight: 2, loses: true, run: (world) => restartRedis(world, 1 + world.random.below(12)) },
  { weight: 0.5, loses: true, run: (world) => flush(world) },
  { weight: 1, loses: true, run: (world) => forget(world) },
  { weight: 1, run: (world) => killGateway(world) },
  { weight: 1, run: (world) => drainGateway(world) },
];
const TOTAL = HAPPENINGS.reduce((sum, { weight }) => sum + weight, 0);

/** Something happens. */
export function happen(world: World): void {
  let left = world.random() * TOTAL;
  for (const { weight, loses, run } of HAPPENINGS) {
    left -= weight;
    if (left > 0) continue;
    if (!(loses && world.lossless)) run(world);
    return;
  }
}

function burst(world: World): void {
  const channel = world.random.pick(world.channels);
  for (let n = 0; n < 3 + world.random.below(12); n += 1) world.publish(channel, 1 + world.random.below(3));
}

function subscribe(world: World): void {
  const client = world.random.pick(world.clients);
  const channel = world.random.pick([...world.channels, `user:${client.name}`]);
  const rewind = world.random.chance(0.2) ? world.random.below(12) : undefined;
  world.trace(`${client.name} subscribes to ${channel}`);
  client.subscribe(channel, rewind);
}

function unsubscribe(world: World): void {
  const client = world.random.pick(world.clients);
  const followed = [...client.following.keys()];
  if (followed.length > 0) client.unsubscribe(world.random.pick(followed));
}

function dropClient(world: World): void {
  const client = world.random.pick(world.clients);
  if (!client.wire?.open) return;
  world.fault('connection cut', client.name);
  client.wire.cut();
}

function stall(world: World): void {
  const { wire, name } = world.random.pick(world.clients);
  if (!wire) return;
  world.fault('slow client', name);
  wire.stall();
  world.clock.after(world.random() * 12_000, () => wire.resume());
}

/** A token that allows less, and some time later one that allows it again. */
function narrow(world: World): void {
  const client = world.random.pick(world.clients);
  const { userId, role } = identityIn(client.token);
  world.fault('narrower token', client.name);
  client.authenticate(
    world.token(userId, world.random.pick(['LANDLORD', 'MANAGER']), world.random.pick(['1', '2,3', ''])),
  );
  world.clock.after(world.random() * 5_000, () => client.authenticate(world.token(userId, role ?? '', '1,2,3')));
}

function expire(world: World): void {
  const client = world.random.pick(world.clients);
  const { userId, role } = identityIn(client.token);
  world.fault('token expires', client.name);
  client.authenticate(world.token(userId, role ?? '', '1,2,3', 2));
  world.clock.after(6_000, () => client.authenticate(world.token(userId, role ?? '', '1,2,3')));
}

function disconnect(world: World): void {
  const gateway = world.random.pick(world.gateways);
  const sessions = [...(gateway?.sessions.all() ?? [])];
  if (sessions.length === 0) return;
  world.fault('token revoked');
  world.random.pick(sessions).end(CLOSE_CODES.tokenRevoked);
}

function cutLink(world: World): void {
  const gateway = world.random.pick(world.gateways);
  if (!gateway) return;
  const stragglers = world.random.chance(0.3);
  world.fault(stragglers ? 'link cut, stragglers' : 'link cut', gateway.name);
  world.bus.cut(gateway.name, stragglers);
}

function deadenLink(world: World): void {
  const gateway = world.random.pick(world.gateways);
  if (!gateway) return;
  world.fault('dead subscription', gateway.name);
  world.bus.deaden(gateway.name);
}

function lossy(world: World): void {
  world.fault('lossy network');
  world.lossyUntil = world.now + world.random() * 3_000;
}

function redisAway(world: World): void {
  world.fault('Redis away');
  world.redisAwayUntil = world.now + world.random() * 8_000;
}

function restartRedis(world: World, lostWrites: number): void {
  world.fault(lostWrites > 0 ? 'failover with loss' : 'Redis restart', String(lostWrites));
  for (const gateway of world.gateways) if (gateway) world.bus.cut(gateway.name, world.random.chance(0.3));
  world.redisAwayUntil = world.now + world.random() * 500;
  world.store.restart(lostWrites);
}

function flush(world: World): void {
  world.fault('FLUSHALL');
  world.store.flush();
}

/** Its time is over, or Redis needs the memory. */
function forget(world: World): void {
  const channel = world.random.pick(world.channels);
  const key = world.random.pick(['log', 'meta'] as const);
  world.fault('key evicted', `${key} of ${channel}`);
  world.store.forget(channel, key);
}

function killGateway(world: World): void {
  const n = world.random.below(world.gateways.length);
  if (!world.gateways[n]) return;
  world.fault('gateway killed', String(n));
  world.stopGateway(n);
  world.clock.after(world.random() * 6_000, () => {
    if (!world.gateways[n]) world.startGateway(n);
  });
}

function drainGateway(world: World): void {
  const n = world.random.below(world.gateways.length);
  if (!world.gateways[n]) return;
  world.fault('gateway drained', String(n));
  const restart = (): void => {
    if (!world.gateways[n]) world.startGateway(n);
  };
  world.drainGateway(n).then(() => world.clock.after(world.random() * 3_000, restart));
}
