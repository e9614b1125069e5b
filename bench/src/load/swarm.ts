/**
 * A client process of a measurement: opens its share of the connections, makes each ready as its contender's protocol
 * asks, and from then on counts what comes in.
 */
import { mintToken } from '@belfry/testkit';
import { wishOf } from '../contenders/dialect.js';
import { dialectOf } from '../contenders/dialects.js';
import { Client } from './client.js';
import { readSent } from './event.js';
import { Histogram } from './histogram.js';
import { channelsOf, type SwarmCommand, type SwarmPlan, type SwarmReport } from './plan.js';

const PROGRESS_MS = 4;
/** No timer runs while a round is read, which may take most of a second: so many events are told of at once. */
const PROGRESS_EVENTS = 10_000;
/** Of every round, the time in which everything that came is read. */
const AWAKE_MS = 4;

const report = (message: SwarmReport): void => void process.send?.(message);

const latencies = new Histogram();
let clients: Client[] = [];
let events = 0;
let reported = 0;
let atOnce = 1;
let restMs = 0;
let opened = 0;
let ready = 0;

function sample(payload: Buffer): void {
  const sent = readSent(payload);
  if (sent !== undefined) latencies.record(Number(process.hrtime.bigint() / 1000n) - sent);
}

function prepare(plan: SwarmPlan): void {
  const dialect = dialectOf(plan.contender);
  const claims = (user: string) => mintToken({ user_id: user, role: 'ADMIN' }, { secret: plan.secret });
  const same = claims('load');
  atOnce = plan.atOnce;
  restMs = plan.restMs;
  clients = Array.from({ length: plan.connections }, (_, n) => {
    const connection = plan.first + n;
    const token = plan.users === 'same' ? same : claims(`load-${connection}`);
    const sampled = plan.sampleEvery > 0 && n % plan.sampleEvery === 0;
    return new Client(
      {
        port: plan.port,
        path: dialect.path,
        conversation: dialect.converse(wishOf(token, channelsOf(connection, plan))),
        eventsIn: dialect.eventsIn,
        remember: plan.remember,
        stall: plan.stall,
      },
      {
        ready: becameReady,
        events: (count) => {
          events += count;
          if (events - reported >= PROGRESS_EVENTS) tellProgress();
        },
        ...(sampled ? { sample } : {}),
        failed: (reason) => report({ kind: 'failed', reason: `connection ${connection}: ${reason}` }),
      },
    );
  });
}

function becameReady(): void {
  ready += 1;
  if (ready === clients.length) {
    report({ kind: 'ready' });
    if (restMs > 0) restBetweenReads(restMs);
  }
  openNext();
}

function openNext(): void {
  clients[opened]?.connect();
  opened += 1;
}

function connectAll(): void {
  opened = 0;
  ready = 0;
  for (let n = 0; n < atOnce; n += 1) openNext();
}

function churn(perSecond: number, alive: number): void {
  const started = performance.now();
  let come = 0;
  // They come by the clock, not one after the other.
  opened = clients.length;
  setInterval(() => {
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; come < due; come += 1) {
      clients[(come - alive) % clients.length]?.drop();
      clients[come % clients.length]?.connect();
    }
  }, PROGRESS_MS);
}

function obey(command: SwarmCommand): void {
  switch (command.kind) {
    case 'prepare':
      prepare(command.plan);
      return report({ kind: 'prepared' });
    case 'connect':
      return connectAll();
    case 'drop':
      for (const client of clients) client.drop();
      return report({ kind: 'dropped' });
    case 'churn':
      return churn(command.perSecond, command.alive);
    case 'reset':
      return latencies.clear();
    case 'stats': {
      const bytes = clients.reduce((sum, client) => sum + client.bytes, 0);
      return report({ kind: 'stats', stats: { events, bytes, latencies: latencies.counts } });
    }
  }
}

/** Sleeps for real: the process reads nothing, and takes nothing from the machine. */
function restBetweenReads(restMs: number): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  setTimeout(function rest() {
    Atomics.wait(nobody, 0, 0, restMs);
    setTimeout(rest, AWAKE_MS);
  }, AWAKE_MS);
}

function tellProgress(): void {
  if (events === reported) return;
  reported = events;
  report({ kind: 'progress', events });
}

setInterval(tellProgress, PROGRESS_MS);
process.on('message', (command) => obey(command as SwarmCommand));
process.once('disconnect', () => process.exit());
