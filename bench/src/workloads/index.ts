/** The workloads: what each does, how its results are read, and what is promised of them. */
import type { BareWith, ContenderName } from '../contenders/names.js';
import { type FanOutResult, HOT_CHANNEL, MANY_CHANNELS, measureFanOut } from './fan-out.js';
import { type LatencyResult, measureLatency, STEADY, STEADY_HALF, STEADY_HOT } from './latency.js';
import { IDLE, type MemoryResult, measureMemory, TEN_CHANNELS } from './memory.js';
import { measureResume, RESUME, type ResumeResult } from './resume.js';
import type { Usage } from './stage.js';
import { measureStorm, STORM, type StormResult } from './storm.js';
import { measureThroughput, THROUGHPUT, type ThroughputResult } from './throughput.js';

export interface Column {
  readonly title: string;
  readonly text: (result: Result) => string;
}

/** What a measurement brought: figures by name, as they stand in the raw JSON. */
export type Result = Readonly<Record<string, unknown>>;

export interface Workload {
  readonly name: string;
  readonly title: string;
  /** One sentence on what happens. */
  readonly about: string;
  readonly run: (contender: ContenderName) => Promise<object>;
  /** Whether one round says too little where two contenders are close. */
  readonly severalRounds: boolean;
  /** What is told apart from the rest of what the gateway does, by a bare server that has it. */
  readonly tellsApart: readonly BareWith[];
  readonly columns: readonly Column[];
  /** The figure that counts, by which rounds are compared and charts are drawn. */
  readonly figure: {
    readonly title: string;
    readonly of: (result: Result) => number;
    readonly better: 'higher' | 'lower';
  };
}

const thousands = (value: number): string => (Number.isFinite(value) ? Math.round(value).toLocaleString('en') : '–');
const fixed = (digits: number) => (value: number) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
const kilobytes = (bytes: number): string => `${fixed(2)(bytes / 1024)} KB`;
const share = (value: number): string => `${Math.round(value * 100)} %`;

/** A workload whose results are known to be of one kind. */
function workload<R extends object>(definition: {
  name: string;
  title: string;
  about: string;
  run: (contender: ContenderName) => Promise<R>;
  severalRounds?: boolean;
  tellsApart?: readonly BareWith[];
  columns: readonly (readonly [title: string, text: (result: R) => string])[];
  figure: readonly [title: string, of: (result: R) => number, better: 'higher' | 'lower'];
}): Workload {
  const [title, of, better] = definition.figure;
  return {
    severalRounds: false,
    tellsApart: [],
    ...definition,
    columns: definition.columns.map(([heading, text]) => ({ title: heading, text: (result) => text(result as R) })),
    figure: { title, of: (result) => of(result as R), better },
  };
}

/** How much of a core each side used: a client near its whole core would be what was measured. */
const usageColumns: readonly (readonly [string, (result: { readonly usage: Usage }) => string])[] = [
  ['server CPU', ({ usage }) => share(usage.server)],
  ['client CPU', ({ usage }) => share(usage.clients)],
];

const fanOutColumns: readonly (readonly [string, (result: FanOutResult) => string])[] = [
  ['deliveries/s', ({ deliveriesPerSecond }) => thousands(deliveriesPerSecond)],
  ['events/s', ({ eventsPerSecond }) => thousands(eventsPerSecond)],
  ['CPU per delivery', ({ microsecondsPerDelivery }) => `${fixed(2)(microsecondsPerDelivery)} µs`],
  ['deliveries/s per core', ({ microsecondsPerDelivery }) => thousands(1e6 / microsecondsPerDelivery)],
  ...usageColumns,
  ['limited by', ({ usage }) => (usage.server >= SATURATED ? 'the server' : 'the load')],
];
/** A server that uses less of its core waits for the load, and its rate is not its own. */
const SATURATED = 0.85;
const fanOutFigure = [
  'deliveries a second',
  ({ deliveriesPerSecond }: FanOutResult) => deliveriesPerSecond,
  'higher',
] as const;

const memoryColumns: readonly (readonly [string, (result: MemoryResult) => string])[] = [
  ['empty process', ({ emptyBytes }) => `${fixed(1)(emptyBytes / 2 ** 20)} MB`],
  ['per connection', ({ bytesPerConnection }) => kilobytes(bytesPerConnection)],
  [
    'after an event on every channel',
    ({ bytesPerConnectionLater: later }) => (later === undefined ? '–' : kilobytes(later)),
  ],
];
const memoryFigure = [
  'KB per connection',
  ({ bytesPerConnection }: MemoryResult) => bytesPerConnection / 1024,
  'lower',
] as const;

const latencyColumns: readonly (readonly [string, (result: LatencyResult) => string])[] = [
  ['events/s', ({ eventsPerSecond }) => thousands(eventsPerSecond)],
  ['p50', ({ p50 }) => `${fixed(2)(p50)} ms`],
  ['p99', ({ p99 }) => `${fixed(2)(p99)} ms`],
  ['p99 of two seconds, median', ({ typicalP99 }) => `${fixed(2)(typicalP99)} ms`],
  ...usageColumns,
];
const latencyFigure = ['p99 in milliseconds', ({ p99 }: LatencyResult) => p99, 'lower'] as const;

export const WORKLOADS: readonly Workload[] = [
  workload({
    name: 'fanout-hot',
    title: 'One channel, 5,000 subscribers',
    about: `${HOT_CHANNEL.window} events are on their way at any time: as many deliveries as the server can make.`,
    run: (contender) => measureFanOut(contender, HOT_CHANNEL),
    severalRounds: true,
    tellsApart: ['bare-log'],
    columns: fanOutColumns,
    figure: fanOutFigure,
  }),
  workload({
    name: 'fanout-wide',
    title: '1,000 channels, 100 subscribers each',
    about: `5,000 connections with 20 channels each, ${MANY_CHANNELS.window} events on their way at any time.`,
    run: (contender) => measureFanOut(contender, MANY_CHANNELS),
    severalRounds: true,
    tellsApart: ['bare-log'],
    columns: fanOutColumns,
    figure: fanOutFigure,
  }),
  workload({
    name: 'latency',
    title: 'Latency at 1,000 events a second, 50 subscribers each',
    about: '50,000 deliveries a second whatever the server does; from the publisher to the client.',
    run: (contender) => measureLatency(contender, STEADY),
    severalRounds: true,
    tellsApart: ['bare-history', 'bare-log'],
    columns: latencyColumns,
    figure: latencyFigure,
  }),
  workload({
    name: 'latency-half',
    title: 'Latency at 500 events a second, 50 subscribers each',
    about: '25,000 deliveries a second: the same with half the work for everybody.',
    run: (contender) => measureLatency(contender, STEADY_HALF),
    severalRounds: true,
    tellsApart: ['bare-history', 'bare-log'],
    columns: latencyColumns,
    figure: latencyFigure,
  }),
  workload({
    name: 'latency-hot',
    title: 'Latency at 10 events a second, 5,000 subscribers each',
    about: '50,000 deliveries a second in ten bursts: the last of 5,000 subscribers waits for those before it.',
    run: (contender) => measureLatency(contender, STEADY_HOT),
    severalRounds: true,
    tellsApart: ['bare-history', 'bare-log'],
    columns: latencyColumns,
    figure: latencyFigure,
  }),
  workload({
    name: 'storm',
    title: '10,000 connects at once',
    about:
      'Each authenticates with a token of its own and subscribes ten channels. Belfry’s clients have a channel of their own besides, which Redis is asked for, and that of their role; each channel is told with its position.',
    run: (contender) => measureStorm(contender, STORM),
    severalRounds: true,
    tellsApart: ['bare-own'],
    columns: [
      ['all ready', ({ secondsUntilReady }: StormResult) => `${fixed(2)(secondsUntilReady)} s`],
      ['CPU of the server', ({ serverCpuSeconds }) => `${fixed(2)(serverCpuSeconds)} s`],
      ...usageColumns,
    ],
    figure: ['server CPU in seconds', ({ serverCpuSeconds }) => serverCpuSeconds, 'lower'],
  }),
  workload({
    name: 'resume',
    title: '5,000 clients come back at once and want what they missed',
    about:
      'All connections are cut, 5 events happen on each of 1,000 channels, all 5,000 reconnect with 4 channels each.',
    run: (contender) => measureResume(contender, RESUME),
    columns: [
      ['all ready', ({ secondsUntilReady }: ResumeResult) => `${fixed(2)(secondsUntilReady)} s`],
      [
        'everything recovered',
        ({ secondsUntilComplete }) => (secondsUntilComplete ? `${fixed(2)(secondsUntilComplete)} s` : 'never'),
      ],
      ['recovered', ({ missed, recovered }) => share(recovered / missed)],
      ['CPU of the server', ({ serverCpuSeconds }) => `${fixed(2)(serverCpuSeconds)} s`],
      ...usageColumns,
    ],
    figure: ['share of missed events recovered, in %', ({ missed, recovered }) => (recovered / missed) * 100, 'higher'],
  }),
  workload({
    name: 'throughput',
    title: 'Publish throughput, one subscriber per channel',
    about: `One publisher, ${THROUGHPUT.inFlight} events on their way, ${THROUGHPUT.channels} channels, as far as the subscriber.`,
    run: (contender) => measureThroughput(contender, THROUGHPUT),
    tellsApart: ['bare-log'],
    columns: [
      ['events/s', ({ eventsPerSecond }: ThroughputResult) => thousands(eventsPerSecond)],
      ['publisher CPU', ({ usage }) => share(usage.publisher)],
      ['Redis CPU', ({ usage }) => share(usage.redis)],
      ...usageColumns,
    ],
    figure: ['events a second', ({ eventsPerSecond }) => eventsPerSecond, 'higher'],
  }),
  workload({
    name: 'memory-idle',
    title: 'Memory of an idle connection',
    about: '10,000 authenticated connections of as many users, no channels asked for.',
    run: (contender) => measureMemory(contender, IDLE),
    columns: memoryColumns.slice(0, 2),
    figure: memoryFigure,
  }),
  workload({
    name: 'memory-channels',
    title: 'Memory of a connection with 10 channels',
    about: '10,000 authenticated connections of as many users with 10 of 1,000 channels each.',
    run: (contender) => measureMemory(contender, TEN_CHANNELS),
    columns: memoryColumns,
    figure: memoryFigure,
  }),
];
