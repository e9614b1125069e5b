/**
 * The scenarios as timelines: when each seat (one client's place) comes, goes and comes back, and when how much is
 * published. Nothing here knows k6, so a test can read a whole run without making it.
 */

/** `join`: as a new client. `drop`: cut, keeping its position. `return`: with that position. `leave`: for good. */
export type Deed = 'join' | 'drop' | 'return' | 'leave';

export interface Step {
  /** Milliseconds since the run began. */
  readonly atMs: number;
  readonly does: Deed;
}

export interface Stage {
  readonly fromMs: number;
  /** Events a second, over all properties. */
  readonly rate: number;
}

/** What a scenario needs to know, in seconds and events or clients a second; see `settings.ts`. */
export interface Extent {
  readonly connections: number;
  readonly ramp: number;
  /** Between the last arrival and the first event, so that what is measured first is no arrival. */
  readonly settle: number;
  readonly duration: number;
  readonly rate: number;
  readonly churn: number;
}

export interface Timeline {
  /** In their order; the first one is a `join`. */
  steps(seat: number, random: () => number): readonly Step[];
  /** In their order; the last one lasts until `quietMs`. Empty: nothing is published. */
  readonly publishing: readonly Stage[];
  /** When publishing ends. */
  readonly quietMs: number;
  /** When a seat no longer waits for what was published. */
  readonly endMs: number;
}

interface Scenario {
  readonly means: string;
  readonly defaults: Readonly<Record<string, number>>;
  /** Seconds: a shorter `duration` would leave out what the scenario is for, and pass. */
  readonly shortest: number;
  timeline(extent: Extent): Timeline;
}

/** For what was published last, on a machine that is behind. Seats that have got it do not wait. */
const GRACE_MS = 30_000;

const rampedJoin = (seat: number, { connections, ramp }: Extent): Step => ({
  atMs: Math.round((seat / connections) * ramp * 1_000),
  does: 'join',
});

/** Everybody comes, then `stages` are published, and each seat does what `then` says in between. */
function play(
  extent: Extent,
  stages: (fromMs: number) => readonly Stage[],
  then: (seat: number, fromMs: number, random: () => number) => readonly Step[] = () => [],
): Timeline {
  const fromMs = (extent.ramp + extent.settle) * 1_000;
  const quietMs = fromMs + extent.duration * 1_000;
  const publishing = extent.rate > 0 ? stages(fromMs) : [];
  return {
    steps: (seat, random) => [rampedJoin(seat, extent), ...then(seat, fromMs, random)],
    publishing,
    quietMs,
    endMs: quietMs + (publishing.length > 0 ? GRACE_MS : 0),
  };
}

const steadily = (rate: number) => (fromMs: number) => [{ fromMs, rate }];

/** Waves of drops: how often, who, and how long they stay away. */
const WAVE_MS = 10_000;
const WAVE_SHARE = 0.2;
const AWAY_MS = [1_000, 3_000] as const;
const away = (random: () => number) => AWAY_MS[0] + random() * (AWAY_MS[1] - AWAY_MS[0]);

function resumeSteps(extent: Extent, fromMs: number, random: () => number): Step[] {
  const steps: Step[] = [];
  for (let waveMs = WAVE_MS / 2; waveMs + WAVE_MS / 2 <= extent.duration * 1_000; waveMs += WAVE_MS) {
    if (random() >= WAVE_SHARE) continue;
    const atMs = fromMs + waveMs + random() * 500;
    steps.push({ atMs, does: 'drop' }, { atMs: atMs + away(random), does: 'return' });
  }
  return steps;
}

/** Each life is up to half shorter or longer than the mean, so that no wave forms. */
function lives(
  extent: Extent,
  meanMs: number,
  fromMs: number,
  random: () => number,
  deeds: readonly [Deed, Deed],
): Step[] {
  const steps: Step[] = [];
  const untilMs = fromMs + extent.duration * 1_000 - AWAY_MS[1];
  let atMs = fromMs + random() * meanMs;
  while (atMs < untilMs) {
    const backMs = atMs + (deeds[1] === 'join' ? 0 : away(random));
    steps.push({ atMs, does: deeds[0] }, { atMs: backMs, does: deeds[1] });
    atMs = backMs + meanMs * (0.5 + random());
  }
  return steps;
}

const SOAK_LIFE_MS = 600_000;
/** `storm`: all come within this time, and come back within this time after the cut: clients are advised to spread. */
const STORM_BACK_MS = 2_000;
const SPIKE_BASE = 0.1;
const SPIKE_RATE = 5;
const SPIKE_ARRIVE_MS = 5_000;

function spike(extent: Extent): Timeline {
  const base = Math.max(1, Math.round(extent.connections * SPIKE_BASE));
  const ramped = { ...extent, connections: base };
  const third = (extent.duration * 1_000) / 3;
  const arriveMs = Math.min(SPIKE_ARRIVE_MS, third / 2);
  return {
    ...play(extent, (fromMs) => [
      { fromMs, rate: extent.rate },
      { fromMs: fromMs + third, rate: extent.rate * SPIKE_RATE },
      { fromMs: fromMs + 2 * third, rate: extent.rate },
    ]),
    steps(seat, random) {
      if (seat < base) return [rampedJoin(seat, ramped)];
      const fromMs = (extent.ramp + extent.settle) * 1_000 + third;
      return [
        { atMs: fromMs + random() * arriveMs, does: 'join' },
        { atMs: fromMs + third + random() * arriveMs, does: 'leave' },
      ];
    },
  };
}

/** Seconds: away for up to three, or two of a storm's second half, and all before the last event. */
const SHORTEST_WITH_RETURNS = 4;

export const SCENARIOS = {
  connect: {
    means: 'all come over the ramp, and stay',
    defaults: { ramp: 60, duration: 60, rate: 0 },
    shortest: 1,
    timeline: (extent) => play(extent, steadily(extent.rate)),
  },
  fanout: {
    means: 'all come, then events are published at one rate',
    defaults: {},
    shortest: 1,
    timeline: (extent) => play(extent, steadily(extent.rate)),
  },
  resume: {
    means:
      'while events are published, a fifth of the clients is cut every ten seconds and comes back for what it missed',
    defaults: {},
    shortest: WAVE_MS / 1_000,
    timeline: (extent) =>
      play(extent, steadily(extent.rate), (_, fromMs, random) => resumeSteps(extent, fromMs, random)),
  },
  churn: {
    means: 'while events are published, clients leave for good and others come in their place',
    defaults: { duration: 120, rate: 50 },
    shortest: SHORTEST_WITH_RETURNS,
    timeline: (extent) => {
      const meanMs = (extent.connections / extent.churn) * 1_000;
      return play(extent, steadily(extent.rate), (_, fromMs, random) =>
        lives(extent, meanMs, fromMs, random, ['leave', 'join']),
      );
    },
  },
  soak: {
    means: 'for as long as you say, each client away for a moment every ten minutes',
    defaults: { duration: 3_600, rate: 50 },
    shortest: SHORTEST_WITH_RETURNS,
    timeline: (extent) =>
      play(extent, steadily(extent.rate), (_, fromMs, random) =>
        lives(extent, SOAK_LIFE_MS, fromMs, random, ['drop', 'return']),
      ),
  },
  storm: {
    means: 'all come at once; halfway all are cut at once, and are back within two seconds',
    defaults: { ramp: 1, duration: 30, rate: 50, p50: 500, p99: 5_000, ready: 10_000 },
    shortest: SHORTEST_WITH_RETURNS,
    timeline: (extent) =>
      play(extent, steadily(extent.rate), (_, fromMs, random) => {
        const atMs = fromMs + extent.duration * 500;
        return [
          { atMs, does: 'drop' },
          { atMs: atMs + 1 + random() * STORM_BACK_MS, does: 'return' },
        ];
      }),
  },
  spike: {
    means:
      'a tenth of the clients stays; for a third of the time all the others are there too, and five times the events',
    defaults: { duration: 60, rate: 20, p50: 500, p99: 5_000, ready: 10_000 },
    shortest: 3,
    timeline: spike,
  },
} as const satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof SCENARIOS;
