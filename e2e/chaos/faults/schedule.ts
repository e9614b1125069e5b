/**
 * Chooses faults by the seed and lets them happen: in the main lane one after the other, each healed and recovered from
 * before the next; beside it, in the side lane, those that concern clients and the load. Every kind comes up at least
 * once, as long as there is time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Canaries } from '../canary.js';
import { CLIENT_FAULTS } from './clients.js';
import type { Fault, World } from './fault.js';
import { NETWORK_FAULTS } from './network.js';
import { PROCESS_FAULTS } from './processes.js';
import { REDIS_FAULTS } from './redis.js';

const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...REDIS_FAULTS, ...NETWORK_FAULTS, ...CLIENT_FAULTS];

/** One fault that happened. */
export interface Incident {
  readonly kind: string;
  /** Milliseconds since the start of the run. */
  readonly at: number;
  /** Milliseconds until it was healed. */
  readonly lasted: number;
  readonly what: string;
  /** Milliseconds from its healing until events came through every gateway again; undefined where not measured. */
  readonly eventsAfter: number | undefined;
  /** The same until 99 % of the clients were connected and had all their channels. */
  readonly clientsAfter: number | undefined;
  /** It could not be injected, or the run did not recover from it: why. */
  readonly problem: string | undefined;
}

export interface ScheduleOptions {
  readonly world: World;
  readonly canaries: Canaries;
  readonly seconds: number;
  readonly startedAt: number;
  readonly onIncident: (incident: Incident) => void;
}

const RECOVERY_MS = 60_000;
const LIVE_SHARE = 0.99;
const POLL_MS = 10;
/** So long after a fault has healed, clients are left alone until they are back: their recovery is to be measured. */
const TRUCE_AFTER_MS = 5_000;
/** A little longer than between two reports of the client processes. */
const STATUS_MS = 150;

/** Resolves when the time is over and the last fault is healed. */
export async function runSchedule(options: ScheduleOptions): Promise<void> {
  const { canaries, seconds, startedAt, world } = options;
  const until = startedAt + seconds * 1_000;
  const kind = world.cluster.redis.kind;
  let recoveringSince: number | undefined;
  const possible = FAULTS.filter(({ redis }) => !redis || redis.includes(kind));

  async function clientsRecovered(): Promise<number | undefined> {
    const started = performance.now();
    // What was reported last may be from before the fault.
    await sleep(STATUS_MS);
    while (performance.now() - started < RECOVERY_MS) {
      const { clients, live } = world.swarms.status();
      if (live >= clients * LIVE_SHARE) return performance.now() - started;
      await sleep(POLL_MS);
    }
    return undefined;
  }

  async function happen(fault: Fault, measured: boolean): Promise<Incident> {
    const at = Date.now();
    let what = '';
    let problem: string | undefined;
    try {
      what = await fault.run(world);
    } catch (error) {
      problem = (error as Error).message;
    }
    const incident = { kind: fault.kind, at: at - startedAt, lasted: Date.now() - at, what };
    if (!measured || problem) return { ...incident, problem, eventsAfter: undefined, clientsAfter: undefined };
    recoveringSince = performance.now();
    const [eventsAfter, clientsAfter] = await Promise.all([canaries.recovered(RECOVERY_MS), clientsRecovered()]);
    recoveringSince = undefined;
    if (eventsAfter === undefined)
      problem = `no events within ${RECOVERY_MS / 1_000} s through ${canaries.missing().join()}`;
    else if (clientsAfter === undefined) problem = `clients did not come back within ${RECOVERY_MS / 1_000} s`;
    return { ...incident, problem, eventsAfter, clientsAfter };
  }

  /** Clients that are struck again and again would never all be back. */
  async function truce(): Promise<void> {
    while (recoveringSince !== undefined && performance.now() - recoveringSince > TRUCE_AFTER_MS) await sleep(POLL_MS);
  }

  async function lane(name: Fault['lane'], pauseMs: readonly [number, number]): Promise<void> {
    const random = world.random.fork();
    const faults = possible.filter((fault) => fault.lane === name);
    const deck = [...faults];
    while (Date.now() < until) {
      // First each once, in any order, then by weight.
      const fault = deck.length > 0 ? random.pick(deck) : random.weighted(faults);
      const index = deck.indexOf(fault);
      if (index !== -1) deck.splice(index, 1);
      options.onIncident(await happen(fault, name === 'main'));
      await sleep(random.integer(...pauseMs));
      if (name === 'side') await truce();
    }
  }

  await Promise.all([lane('main', [100, 800]), lane('side', [1_000, 4_000])]);
}
