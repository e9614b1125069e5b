/**
 * What k6 runs: `k6 run main.ts` with the settings in the environment (`LOAD_SCENARIO=fanout LOAD_GATEWAYS=wss://…`). Some
 * threads hold the clients, others publish; they share nothing, and each client judges for itself.
 */
import exec from 'k6/execution';
import http from 'k6/http';
import type { Options } from 'k6/options';
import { runOf } from './frames.ts';
import * as metrics from './metrics.ts';
import { publish } from './publishing.ts';
import { SCENARIOS } from './scenarios.ts';
import { takeSeat } from './seat.ts';
import { readSettings } from './settings.ts';
import { describe, judge, type K6Summary } from './summary.ts';
import { createTally } from './tally.ts';
import { thresholds } from './thresholds.ts';
import { createTimetable } from './timetable.ts';
import { mintTokens } from './tokens.ts';

/** A secret may be mounted as a file, named by the same variable with `_FILE`. */
function fromEnvironment(name: string): string | undefined {
  const file = __ENV[`${name}_FILE`];
  return file ? open(file).trim() : __ENV[name];
}

const MOST_LATENCIES = 1_000_000;

const settings = readSettings(__ENV.LOAD_SCENARIO ?? '', (_, { env, secret }) =>
  secret ? fromEnvironment(env) : __ENV[env],
);
const timeline = SCENARIOS[settings.scenario].timeline(settings);
const publishes = timeline.publishing.length > 0;
const gateways = settings.gateway.split(',');
/** Of so many latencies k6 is told one: it keeps each, and a soak has millions. */
const oneIn = Math.max(
  1, // Who publishes nothing may get another load test's events.
  Math.ceil((settings.rate * settings.duration * settings.connections) / settings.properties / MOST_LATENCIES),
);

/** So far apart the parts of one load test may begin, of which one publishes for all. */
const APART_MS = 10_000;
/** How often a long run's threads tell k6 what they have counted; all of them do at the end. */
const REPORT_MS = 120_000;

/** Where this k6 collects its garbage when it is asked; empty: it is not asked. */
const collectUrl = __ENV.LOAD_COLLECT_URL ?? '';
/** Seconds: 10,000 connections take 0.7 s to collect, and a third of the settling is left to the last arrivals. */
const SHORTEST_SETTLE = 2;
const collects = publishes && collectUrl !== '' && settings.settle >= SHORTEST_SETTLE;

/** Names that no property has: a load test must not be seen by anybody else. */
const channelOf = (property: number) => `property:load-${property}`;

/** The plan's end, and what closing thousands of sockets may take. */
const MAX_DURATION = `${Math.ceil(timeline.endMs / 1_000) + 60}s`;
export const options: Options = {
  scenarios: {
    clients: { executor: 'per-vu-iterations', exec: 'clients', vus: settings.vus, maxDuration: MAX_DURATION },
    ...(collects && {
      collecting: {
        executor: 'per-vu-iterations',
        exec: 'collecting',
        vus: 1,
        startTime: `${Math.round((settings.ramp + settings.settle / 3) * 1_000)}ms`,
        maxDuration: '60s',
      },
    }),
    ...(publishes && {
      publishing: {
        executor: 'per-vu-iterations',
        exec: 'publishing',
        vus: settings.publishers,
        maxDuration: MAX_DURATION,
      },
    }),
  },
  thresholds: thresholds(settings, publishes),
  summaryTrendStats: ['min', 'avg', 'p(50)', 'p(90)', 'p(95)', 'p(99)', 'max', 'count'],
  // Tags make time series: none is wanted for each status or address.
  systemTags: ['scenario'],
  discardResponseBodies: true,
  // Otherwise k6 writes a line for each request that fails; we say each reason once.
  throw: true,
  setupTimeout: '60s',
};

interface Run {
  readonly startedMs: number;
  readonly tokens: readonly string[];
}

export function setup(): Run {
  if (settings.gateway === '') throw new Error('LOAD_GATEWAYS is needed: wss://host/ws');
  if (publishes && settings.publisher === '') throw new Error('LOAD_PUBLISHER is needed: https://host');
  if (settings.token === '' && settings.secret === '') throw new Error('JWT_SECRET or LOAD_TOKEN is needed');
  const tokens =
    settings.token === '' ? mintTokens(settings.connections, timeline.endMs, settings.secret) : [settings.token];
  return { startedMs: Date.now(), tokens };
}

/** k6's own; its types leave it to the browser's. */
declare const console: { error(text: string): void };

/** What goes wrong mostly goes wrong everywhere: one thread says each thing once. */
function createComplaint(speaks: boolean): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    // Our own end of a connection has another port each time.
    const reason = text.replace(/:\d+->/, '->');
    if (!speaks || said.has(reason)) return;
    said.add(reason);
    console.error(text);
  };
}

/**
 * Seats that follow the same property share a thread where they can: what is published to it then wakes one thread and not
 * all of them. And the threads take turns, so that none has a whole stretch of the ramp.
 */
export function clients({ startedMs, tokens }: Run): void {
  const timetable = createTimetable();
  const tally = createTally(oneIn);
  const problem = createComplaint(exec.scenario.iterationInTest === 0);
  // Where another k6 may be the one that publishes, its events are known by their time alone.
  const alone = publishes && !exec.test.options.executionSegment;
  const lastFromMs = startedMs + timeline.quietMs - APART_MS;
  const isOurs = (source: string) => (alone ? source.startsWith(runOf(startedMs)) : Date.now() >= lastFromMs);
  let seated = 0;
  for (let seat = exec.scenario.iterationInTest; seat < settings.connections; seat += settings.vus) {
    seated++;
    takeSeat({
      url: gateways[seat % gateways.length] ?? '',
      token: tokens[seat % tokens.length] ?? '',
      channel: channelOf(seat % settings.properties),
      timetable,
      steps: timeline.steps(seat, Math.random),
      startedMs,
      published: publishes,
      isOurs,
      endMs: timeline.endMs,
      deadlineMs: Math.max(30_000, settings.ready),
      onLive: tally.live,
      onReplayed: tally.replayed,
      onProblem: problem,
      onOver: () => {
        if (--seated > 0) return;
        cancelReport();
        tally.flush();
      },
    });
  }
  const report = () => {
    tally.flush();
    cancelReport = timetable.after(REPORT_MS, report);
  };
  let cancelReport = timetable.after(REPORT_MS, report);
}

/** What connecting has left behind: events then get memory that was used before, which no kernel has to clear first. */
export function collecting(): void {
  http.get(collectUrl);
}

export async function publishing({ startedMs }: Run): Promise<void> {
  const mine = exec.scenario.iterationInTest;
  const properties = Array.from({ length: settings.properties }, (_, property) => property);
  const channels = properties.filter((property) => property % settings.publishers === mine).map(channelOf);
  await publish({
    url: settings.publisher,
    token: settings.publisherToken,
    channels,
    share: channels.length / settings.properties,
    bytes: settings.bytes,
    startedMs,
    timeline,
    onProblem: createComplaint(mine === 0),
  });
}

export function handleSummary(data: K6Summary): Record<string, string> {
  const own = Object.values(metrics).map(({ name }) => name);
  const result = judge(settings, data, own);
  return {
    stdout: describe(result),
    ...(settings.summary === '' ? {} : { [settings.summary]: `${JSON.stringify(result, undefined, 2)}\n` }),
  };
}
