/**
 * Every option of a load test: its name on the command line, its environment variable inside k6, what it may be and what
 * it is by default. The runner, k6 and the documentation read this one table.
 */
import { SCENARIOS, type ScenarioName } from './scenarios.ts';

interface NumberOption {
  readonly kind: 'number';
  readonly min: number;
  readonly max: number;
  /** Whole numbers only. Default: true. */
  readonly whole?: boolean;
}

interface TextOption {
  readonly kind: 'text';
  /** What it must look like, and how to say so. */
  readonly pattern?: RegExp;
  readonly looksLike?: string;
}

export type Option = (NumberOption | TextOption) & {
  readonly env: string;
  /** Not to be seen in a list of processes: the runner reads it from the environment only. */
  readonly secret?: boolean;
  readonly means: string;
};

const whole = (min: number, max: number) => ({ kind: 'number', min, max }) as const;

export const OPTIONS = {
  connections: { env: 'LOAD_CONNECTIONS', ...whole(1, 1_000_000), means: 'connections at the peak' },
  ramp: { env: 'LOAD_RAMP_SECONDS', ...whole(0, 86_400), means: 'seconds over which they come' },
  settle: {
    env: 'LOAD_SETTLE_SECONDS',
    ...whole(0, 3_600),
    means: 'seconds between the last arrival and the first event',
  },
  duration: { env: 'LOAD_DURATION_SECONDS', ...whole(1, 604_800), means: 'seconds of what follows' },
  rate: {
    env: 'LOAD_RATE',
    ...whole(0, 100_000),
    whole: false,
    means: 'events published a second, over all properties; 0 for none',
  },
  properties: { env: 'LOAD_PROPERTIES', ...whole(1, 1_000_000), means: 'properties; each connection follows one' },
  bytes: { env: 'LOAD_BYTES', ...whole(0, 12_000), means: 'characters that each event carries beside its head' },
  vus: { env: 'LOAD_VUS', ...whole(1, 10_000), means: 'JavaScript threads of k6 that share the connections' },
  publishers: { env: 'LOAD_PUBLISHERS', ...whole(1, 1_000), means: 'JavaScript threads of k6 that publish' },
  churn: { env: 'LOAD_CHURN', ...whole(1, 10_000), means: '`churn`: connections that go and come a second' },
  p50: { env: 'LOAD_P50_MS', ...whole(1, 600_000), means: 'milliseconds from intake to client: the median allowed' },
  p99: {
    env: 'LOAD_P99_MS',
    ...whole(1, 600_000),
    means: 'milliseconds from intake to client: the 99th percentile allowed',
  },
  ready: {
    env: 'LOAD_READY_P99_MS',
    ...whole(1, 600_000),
    means: 'milliseconds from opening to subscribed: p99 allowed',
  },
  closes: {
    env: 'LOAD_CLOSES',
    ...whole(0, 10_000_000),
    means: 'connections that may be lost (while something is being restarted)',
  },
  resyncs: {
    env: 'LOAD_RESYNCS',
    ...whole(0, 10_000_000),
    means: 'times that a client may get the state instead of what it missed (while Redis fails over)',
  },
  gateway: {
    env: 'LOAD_GATEWAYS',
    kind: 'text',
    pattern: /^wss?:\/\/[^\s,]+(,wss?:\/\/[^\s,]+)*$/,
    looksLike: 'wss://host/ws, several with commas between them',
    means: "gateways' addresses, of a cluster that is there",
  },
  publisher: {
    env: 'LOAD_PUBLISHER',
    kind: 'text',
    pattern: /^https?:\/\/[^\s,]+$/,
    looksLike: 'https://host',
    means: "the publisher's address, of the same cluster",
  },
  summary: { env: 'LOAD_SUMMARY', kind: 'text', means: 'file for the result as JSON' },
  secret: { env: 'JWT_SECRET', kind: 'text', secret: true, means: 'what tokens are signed with (HS256)' },
  token: {
    env: 'LOAD_TOKEN',
    kind: 'text',
    secret: true,
    means: 'one token for all connections; JWT_SECRET is not used then',
  },
  publisherToken: { env: 'PUBLISHER_TOKEN', kind: 'text', secret: true, means: 'what the publisher wants to be shown' },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof OPTIONS;
type ValueOf<O extends Option> = O extends NumberOption ? number : string;
export type Settings = { readonly scenario: ScenarioName } & {
  readonly [Name in OptionName]: ValueOf<(typeof OPTIONS)[Name]>;
};

/** Wrong options; the message says which and what would be right. */
export class WrongSettings extends Error {}

/** How many sockets one of k6's threads serves well: its JavaScript is single-threaded, its memory is not small. */
const SOCKETS_PER_VU = 100;

/** What holds where neither the scenario nor the caller says anything. */
export function defaultsOf(connections: number) {
  return {
    connections,
    ramp: 20,
    settle: 3,
    duration: 60,
    rate: 100,
    properties: Math.max(1, Math.round(connections / 100)),
    bytes: 150,
    vus: Math.max(1, Math.min(200, Math.ceil(connections / SOCKETS_PER_VU))),
    publishers: 1,
    churn: 200,
    p50: 50,
    p99: 250,
    ready: 5_000,
    closes: 0,
    resyncs: 0,
    gateway: '',
    publisher: '',
    summary: '',
    secret: '',
    token: '',
    publisherToken: '',
  };
}

/**
 * The settings of a run, from what `given` says of each option (undefined or empty: nothing).
 * @throws WrongSettings at the first one that is wrong
 */
export function readSettings(
  scenario: string,
  given: (name: OptionName, option: Option) => string | undefined,
): Settings {
  if (!isScenario(scenario)) {
    const known = Object.keys(SCENARIOS).join(', ');
    throw new WrongSettings(
      `${scenario === '' ? 'Which scenario?' : `There is no scenario ${scenario}.`} There are: ${known}.`,
    );
  }
  const values: Partial<Record<OptionName, number | string>> = {};
  for (const [name, option] of Object.entries(OPTIONS) as [OptionName, Option][]) {
    const text = given(name, option);
    if (text !== undefined && text !== '') values[name] = readOption(name, option, text);
  }
  const own = SCENARIOS[scenario].defaults;
  const connections = Number(values.connections ?? 10_000);
  const settings = { scenario, ...defaultsOf(connections), ...own, ...values } as Settings;
  if (settings.vus > settings.connections) throw new WrongSettings('--vus must not be more than --connections.');
  if (settings.properties > settings.connections) {
    throw new WrongSettings('--properties must not be more than --connections: nobody would follow some of them.');
  }
  if (settings.publishers > settings.properties) {
    throw new WrongSettings('--publishers must not be more than --properties: some would have none to publish to.');
  }
  const { shortest } = SCENARIOS[scenario];
  if (settings.duration < shortest) {
    throw new WrongSettings(
      `--duration must be at least ${shortest} for ${scenario}: in less, its clients cannot go and come back.`,
    );
  }
  return settings;
}

const isScenario = (name: string): name is ScenarioName => Object.hasOwn(SCENARIOS, name);

function readOption(name: OptionName, option: Option, text: string): number | string {
  if (option.kind === 'text') {
    if (option.pattern && !option.pattern.test(text)) {
      throw new WrongSettings(`--${name} must look like ${option.looksLike}, not ${text}.`);
    }
    return text;
  }
  const value = Number(text);
  const fits = option.whole === false ? Number.isFinite(value) : Number.isInteger(value);
  if (text.trim() === '' || !fits || value < option.min || value > option.max) {
    const what = option.whole === false ? 'a number' : 'a whole number';
    throw new WrongSettings(`--${name} must be ${what} from ${option.min} to ${option.max}, not ${text}.`);
  }
  return value;
}
