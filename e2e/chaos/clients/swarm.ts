/** A client process: some of the run's clients, in one event loop, with one record file. */
import { mintToken } from '@belfry/testkit';
import { KIND, openRecorder, type Recorder } from '../audit/record.js';
import { BULK, GLOBAL, propertyId } from '../names.js';
import { type Random, seededRandom } from '../random.js';
import { Client, type Counts } from './client.js';
import type { Recovery, SwarmCommand, SwarmPlan, SwarmReport, SwarmStatus } from './plan.js';
import { plantInto } from './planted.js';

/** New clients in one go, so that the run's begin is no storm of its own. */
const STARTED_AT_ONCE = 50;
const START_MS = 25;
const CHECK_MS = 1_000;
const STATUS_MS = 125;
const TIME_MS = 100;
const EXAMPLES = 5;

const say = (report: SwarmReport): void => void process.send?.(report);

interface Swarm {
  obey(command: SwarmCommand): void;
}

function startSwarm(plan: SwarmPlan): Swarm {
  const random = seededRandom(plan.seed + plan.first);
  const recorder = openRecorder(plan.recordFile);
  const counts: Counts = {
    deliveries: 0,
    connects: 0,
    failedConnects: 0,
    silent: 0,
    noticed: 0,
    unavailable: 0,
    rateLimited: 0,
    terminal: 0,
    closes: new Map(),
  };
  let recoveries: Recovery[] = [];
  let up: readonly boolean[] = plan.gateways.map(() => true);
  const tokens = new Map<number, string>();

  const followsGlobal = (number: number): boolean => plan.globalEvery > 0 && number % plan.globalEvery === 0;

  const token = (number: number): string => {
    const known = tokens.get(number);
    if (known) return known;
    const properties = channelsOf(plan, number).map(propertyId);
    // Whoever may see everything needs no list of properties.
    const claims = followsGlobal(number) || plan.globalEvery > 0 ? { role: 'ADMIN' } : { role: 'LANDLORD', properties };
    const minted = mintToken({ user_id: `landlord-${number}`, ...claims }, { secret: plan.secret });
    tokens.set(number, minted);
    return minted;
  };

  const endpoint = (number: number) => {
    const candidates = plan.gateways.flatMap((ports, gateway) => (up[gateway] ? [{ gateway, ...ports }] : []));
    if (candidates.length === 0) return undefined;
    const { gateway, port, proxied } = random.pick(candidates);
    const viaProxy = plan.proxiedEvery > 0 && number % plan.proxiedEvery === 0;
    return { gateway, port: viaProxy ? proxied : port };
  };

  const parts = {
    recorder,
    startedAt: plan.startedAt,
    random: random.next,
    token,
    endpoint,
    counts,
    now: () => performance.now(),
    onRecovered: (sinceLoss: number, sinceAttempt: number) => void recoveries.push({ sinceLoss, sinceAttempt }),
  };
  const clients = Array.from({ length: plan.clients }, (_, n) => {
    const number = plan.first + n;
    return new Client(number, [...channelsOf(plan, number), ...(followsGlobal(number) ? [GLOBAL] : [])], parts);
  });
  const [victim] = clients;
  const planted = plan.plant && victim ? plantInto(plan.plant, victim.receive) : undefined;
  if (planted && victim) victim.receive = planted.receive;

  let started = 0;
  const starting = setInterval(() => {
    for (const client of clients.slice(started, started + STARTED_AT_ONCE)) client.connect();
    started += STARTED_AT_ONCE;
    if (started >= clients.length) clearInterval(starting);
  }, START_MS);

  const status = (): SwarmStatus => ({
    clients: clients.length,
    live: clients.reduce((sum, client) => sum + Number(client.live), 0),
    deliveries: counts.deliveries,
    stalled: clients.reduce((sum, client) => sum + Number(client.stalled), 0),
  });
  const timers = [
    setInterval(() => {
      const now = performance.now();
      for (const client of clients) client.check(now);
    }, CHECK_MS),
    setInterval(() => say({ say: 'status', status: status() }), STATUS_MS),
    setInterval(() => recorder.write(KIND.time, 0, 0, Date.now() - plan.startedAt, 0, 0), TIME_MS),
  ];

  return {
    obey(command) {
      switch (command.do) {
        case 'start':
          return;
        case 'health':
          up = command.up;
          return;
        case 'cut':
          for (const client of clients) if (random.chance(command.share)) client.cut(command.holdMs);
          return;
        case 'recoveries':
          say({ say: 'recoveries', list: recoveries });
          recoveries = [];
          return;
        case 'stall':
          return stall(clients, random, command);
        case 'churn':
          return churn(clients, random, command);
        case 'plant':
          planted?.once();
          return;
        case 'compare':
          return compare(clients, command.ends);
        case 'finish':
          return finish({ clients, timers, recorder, counts, status });
      }
    },
  };
}

/** Which properties a client follows: always the same ones for the same seed. */
function channelsOf(plan: SwarmPlan, number: number): number[] {
  const random = seededRandom(plan.seed * 31 + number);
  const chosen = new Set<number>();
  while (chosen.size < Math.min(plan.channelsPerClient, plan.properties))
    chosen.add(random.integer(0, plan.properties - 1));
  return [...chosen];
}

function stall(clients: readonly Client[], random: Random, order: Extract<SwarmCommand, { do: 'stall' }>): void {
  for (let n = 0; n < order.clients; n += 1) {
    const client = random.pick(clients);
    client.follow(BULK);
    setTimeout(() => client.stall(order.ms), order.afterMs);
    setTimeout(() => client.leave(BULK), order.afterMs + order.ms + 5_000);
  }
}

function churn(clients: readonly Client[], random: Random, order: Extract<SwarmCommand, { do: 'churn' }>): void {
  for (const client of clients) {
    if (!random.chance(order.share)) continue;
    const channel = random.pick([...client.channels].filter((number) => number !== BULK));
    client.leave(channel);
    setTimeout(() => client.follow(channel), random.integer(20, order.ms));
  }
}

function compare(clients: readonly Client[], ends: Extract<SwarmCommand, { do: 'compare' }>['ends']): void {
  let count = 0;
  const examples: string[] = [];
  for (const client of clients) {
    for (const [channel, epoch, offset] of ends) {
      if (client.isAt(channel, epoch, offset) !== false) continue;
      count += 1;
      if (examples.length < EXAMPLES) examples.push(`${client.describe(channel)}, not at ${epoch}-${offset}`);
    }
  }
  say({ say: 'behind', count, examples });
}

function finish(parts: {
  readonly clients: readonly Client[];
  readonly timers: readonly NodeJS.Timeout[];
  readonly recorder: Recorder;
  readonly counts: Counts;
  readonly status: () => SwarmStatus;
}): void {
  const { clients, counts, recorder, status, timers } = parts;
  for (const timer of timers) clearInterval(timer);
  const { closes, ...numbers } = counts;
  const byCode = Object.fromEntries([...closes].map(([code, count]) => [`closed with ${code}`, count]));
  const last = status();
  // Closed first: the record ends with the clients where they are, not with their connections broken by us.
  recorder.close();
  for (const client of clients) client.end();
  say({ say: 'finished', status: last, counts: { ...numbers, ...byCode } });
}

let swarm: Swarm | undefined;
process.on('message', (message) => {
  const command = message as SwarmCommand;
  if (command.do === 'start') swarm = startSwarm(command.plan);
  else swarm?.obey(command);
});
process.once('disconnect', () => process.exit());
