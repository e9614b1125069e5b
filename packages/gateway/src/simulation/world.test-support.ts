/**
 * A world: gateways, a Redis, publishers and clients on one virtual clock, and what befalls them, all drawn from one
 * seed. After a time of faults everything heals, and then every client must have what the log has.
 */

import { authorise } from '@belfry/shared/auth';
import { channelKeys, DEFAULT_KEY_PREFIX, type LogKeeper, type LogReader, type LogWriter } from '@belfry/shared/log';
import {
  createMemoryBus,
  createMemoryLog,
  createMemoryStore,
  createSeededRandom,
  createVirtualClock,
  type MemoryBus,
  type MemoryStore,
  type SeededRandom,
  type VirtualClock,
} from '@belfry/shared/log/memory';
import { formatPosition, parseChannel } from '@belfry/shared/protocol';
import { drain } from '../session/drain.js';
import { SimulatedClient } from './client.test-support.js';
import {
  ACCESS_POLICY,
  createSimulatedGateway,
  identityIn,
  type SimulatedGateway,
  SPOT_CHECK_MS,
} from './gateway.test-support.js';
import { createModel, type Model } from './model.test-support.js';
import { createSabotage, type Sabotage, type SabotageKind } from './sabotage.test-support.js';

export interface WorldOptions {
  readonly seed: number;
  /** Redis loses nothing and trims nothing: then no gap may be signalled either. Default false. */
  readonly lossless?: boolean | undefined;
  /** Default: none. */
  readonly sabotage?: SabotageKind | undefined;
  /** Gets every event of the world, for looking into a failure. */
  readonly trace?: ((text: string) => void) | undefined;
}

const GATEWAYS = 3;
const CLIENTS = 6;
export const PROPERTIES = ['1', '2', '3', '4'];
const MAX_EVENTS = { usual: 8, lossless: 10_000 };
const RETENTION = {
  logTtlSeconds: 600,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 60,
};
/** Probes find a dead link after 9 s, spot checks a silent loss; backoffs and retries add some seconds. */
const HEALING_MS = SPOT_CHECK_MS + 35_000;
const NEVER_MS = 1e9;
const TOKEN_SECONDS = 100_000;

export class World {
  readonly lossless: boolean;
  readonly random: SeededRandom;
  readonly clock: VirtualClock;
  readonly model: Model;
  readonly store: MemoryStore;
  readonly bus: MemoryBus;
  readonly gateways: (SimulatedGateway | undefined)[] = [];
  readonly clients: SimulatedClient[] = [];
  readonly channels: readonly string[];
  /** Faults that last, and their end in virtual milliseconds. */
  redisAwayUntil = 0;
  lossyUntil = 0;
  readonly faults = new Map<string, number>();
  readonly #log: LogReader & LogWriter & LogKeeper;
  readonly #sabotage: Sabotage;
  readonly #queues = new Map<string, Promise<void>>();
  readonly #trace: (text: string) => void;
  readonly #tailBytes: number;
  #healing = false;
  #serial = 0;
  #lives = 0;
  accepted = 0;

  constructor(options: WorldOptions) {
    const random = createSeededRandom(options.seed);
    const maxEvents = options.lossless ? MAX_EVENTS.lossless : MAX_EVENTS.usual;
    this.lossless = options.lossless ?? false;
    this.random = random;
    const clock = createVirtualClock(random.fork());
    this.clock = clock;
    this.#trace = (text) => options.trace?.(`${(clock.now() % 10_000_000) / 1000} ${text}`);
    this.model = createModel((text) => this.#trace(`VIOLATION ${text}`));
    this.#sabotage = createSabotage(options.sabotage, random.fork(), clock);
    this.#tailBytes = random.pick([0, 1_500, 1_000_000]);
    const slow = random.pick([2, 20, 200]);
    const network = random.fork();
    const delayMs = (): number => network() * (network.chance(0.05) ? slow * 5 : slow);
    const reachable = (): boolean => clock.now() >= this.redisAwayUntil;
    const lossy = (): boolean => clock.now() < this.lossyUntil;
    this.bus = createMemoryBus({
      clock,
      delayMs,
      reachable,
      lose: () => lossy() && network.chance(0.3),
      duplicate: () => lossy() && network.chance(0.2),
    });
    this.store = createMemoryStore({
      now: clock.now,
      random: random.fork(),
      retention: { ...RETENTION, maxEvents, maxGlobalEvents: maxEvents },
      publish: (channel, frame) => this.bus.publish(channelKeys(DEFAULT_KEY_PREFIX, channel).topic, frame),
      onWritten: (channel, written) => {
        this.model.written(channel, written);
        this.#trace(`written ${channel} ${formatPosition(written.position)}`);
      },
    });
    this.#log = createMemoryLog({
      store: this.store,
      clock,
      delayMs,
      reachable,
      loseAnswer: () => lossy() && network.chance(0.1),
    });
    const users = Array.from({ length: CLIENTS }, (_, n) => `user-${n}`);
    this.channels = [...PROPERTIES.map((id) => `property:${id}`), 'global', 'role:manager', 'user:user-0'];
    for (let n = 0; n < GATEWAYS; n += 1) this.startGateway(n);
    for (const user of users) this.#addClient(user);
  }

  trace(text: string): void {
    this.#trace(text);
  }

  fault(name: string, detail = ''): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
    this.#trace(`FAULT ${name} ${detail}`);
  }

  get now(): number {
    return this.clock.now();
  }

  token(user: string, role: string, properties: string, seconds = TOKEN_SECONDS): string {
    return `${user}|${role}|${properties}|${Math.floor(this.now / 1000) + seconds}`;
  }

  /** Another token that allows the same. */
  renew(token: string): string {
    const { userId, role, properties } = identityIn(token);
    return this.token(userId, role ?? '', properties === 'all' ? '*' : [...properties].join());
  }

  startGateway(n: number): void {
    this.#lives += 1;
    const network = this.random.fork();
    this.gateways[n] = createSimulatedGateway({
      name: `gateway-${n}-${this.#lives}`,
      clock: this.clock,
      random: this.random.fork(),
      log: this.#log,
      bus: this.bus,
      model: this.model,
      sabotage: this.#sabotage,
      wireDelayMs: () => network() * 30,
      tailBytes: this.#tailBytes,
      maxAgeMs: () => (this.#healing ? NEVER_MS : 5_000 + this.random() * 25_000),
      trace: this.#trace,
    });
  }

  /** Lets its clients go one after the other, then ends. */
  async drainGateway(n: number): Promise<void> {
    const gateway = this.gateways[n];
    if (!gateway) return;
    this.gateways[n] = undefined;
    await drain({
      reason: 'drained',
      clock: this.clock,
      random: this.random.fork(),
      perSecond: 2,
      windowMs: 5_000,
      remaining: () => gateway.sessions.all(),
    });
    gateway.kill();
  }

  stopGateway(n: number): void {
    this.gateways[n]?.kill();
    this.gateways[n] = undefined;
  }

  #addClient(name: string): void {
    const role = this.random.pick(['MANAGER', 'LANDLORD', 'ADMIN']);
    const client = new SimulatedClient(
      {
        name,
        clock: this.clock,
        random: this.random.fork(),
        model: this.model,
        trace: this.#trace,
        renew: (token) => this.renew(token),
        connect: (end) => {
          const running = this.gateways.filter((gateway) => gateway !== undefined);
          return running.length > 0 ? this.random.pick(running).connect(end) : undefined;
        },
      },
      this.token(name, role, '1,2,3'),
    );
    this.clients.push(client);
    for (let n = 0; n < 3; n += 1) client.subscribe(this.random.pick(this.channels));
    client.connect();
  }

  /** Publishes until it is certain that the log has it; one append at a time per channel, as publishers do. */
  publish(channel: string, count: number): void {
    this.#serial += 1;
    const intakeId = `1-${this.#serial}`;
    const events = Array.from({ length: count }, (_, n) => {
      const key = this.random.chance(0.8) ? `key-${this.random.below(3)}` : undefined;
      return { key, body: JSON.stringify({ type: 'EVENT', channel, key, n: `${this.#serial}.${n}` }) };
    });
    const before = this.#queues.get(channel) ?? Promise.resolve();
    const done = before.then(async () => {
      for (;;) {
        try {
          await this.#log.append({ channel, lane: 0, entries: [{ intakeId, events }] });
          this.accepted += count;
          return;
        } catch {
          await new Promise<void>((resolve) => this.clock.after(100, resolve));
        }
      }
    });
    this.#queues.set(channel, done);
  }

  /** All faults end; whoever was stopped is started; everybody gets a good token. */
  heal(): void {
    this.#trace('HEALING');
    this.#healing = true;
    this.redisAwayUntil = 0;
    this.lossyUntil = 0;
    this.gateways.forEach((gateway, n) => {
      if (!gateway) this.startGateway(n);
    });
    for (const client of this.clients) {
      client.wire?.resume();
      client.authenticate(this.renew(client.token));
      client.connect();
    }
  }

  /** Lets the faults end, and compares every client with the log; then once more behind a last event on each channel. */
  async audit(): Promise<void> {
    this.heal();
    await this.clock.advance(HEALING_MS);
    this.#compare('after healing');
    for (const channel of this.channels) this.publish(channel, 1);
    await this.clock.advance(8_000);
    this.#compare('after the last events');
    for (const gateway of this.gateways) {
      if (gateway && gateway.hub.tailBytes > this.#tailBytes) {
        this.model.violation(
          `${gateway.name} holds ${gateway.hub.tailBytes} bytes of tails, allowed are ${this.#tailBytes}`,
        );
      }
    }
  }

  #compare(when: string): void {
    for (const client of this.clients) {
      if (!client.wire?.open) this.model.violation(`${when}: ${client.name} is not connected`);
      for (const [channel, following] of client.following) {
        const parsed = parseChannel(channel);
        if (!parsed || !authorise(identityIn(client.token), 'read', parsed, ACCESS_POLICY)) continue;
        const end = this.store.position(channel);
        if (!end) continue;
        const where = `${when}: ${client.name} in ${channel}`;
        if (following.state !== 'live') this.model.violation(`${where} is ${following.state}`);
        if (following.position !== formatPosition(end)) {
          this.model.violation(`${where} stands at ${following.position}, the log at ${formatPosition(end)}`);
          continue;
        }
        const truth = this.model.snapshotAt(channel, formatPosition(end));
        const view = following.view && [...following.view.values()];
        if (view && !(view.length === truth?.size && view.every((frame) => truth.has(frame)))) {
          this.model.violation(`${where} sees another state than the log has`);
        }
      }
    }
  }
}
