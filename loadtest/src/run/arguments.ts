/** The command line of a load test: which scenario, with which settings, and against what. */
import { parseArgs } from 'node:util';
import { SCENARIOS } from '../k6/scenarios.ts';
import { OPTIONS, type Option, type OptionName, readSettings, type Settings, WrongSettings } from '../k6/settings.ts';

export interface LoadTestArguments {
  readonly settings: Settings;
  /** Gateways of the cluster that is started where no address is given. */
  readonly gateways: number;
}

const MOST_GATEWAYS = 16;
const entries = Object.entries(OPTIONS) as [OptionName, Option][];

/** @throws WrongSettings with a sentence that says what is wrong */
export function readArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): LoadTestArguments {
  const { positionals, values } = parse(argv);
  if (positionals.length > 1) throw new WrongSettings(`One scenario at a time, not ${positionals.join(' and ')}.`);
  const empty = Object.keys(values).find((name) => values[name] === '');
  if (empty) throw new WrongSettings(`--${empty} is empty: give it a value, or leave it out.`);
  const settings = readSettings(positionals[0] ?? '', (name, option) =>
    option.secret ? env[option.env] : values[name],
  );
  const gateways = Number(values.gateways ?? 1);
  if (!Number.isInteger(gateways) || gateways < 1 || gateways > MOST_GATEWAYS) {
    throw new WrongSettings(`--gateways must be a whole number from 1 to ${MOST_GATEWAYS}, not ${values.gateways}.`);
  }
  const publishes = SCENARIOS[settings.scenario].timeline(settings).publishing.length > 0;
  refuseIdle(settings, values, publishes);
  if (settings.gateway === '') {
    if (settings.publisher !== '') throw new WrongSettings('--publisher needs --gateway: they must be of one cluster.');
    if (!publishes && settings.scenario !== 'connect') {
      throw new WrongSettings(
        '--rate 0 leaves publishing to another load test of the same cluster, which takes --gateway. To test connections ' +
          'alone there is the scenario connect.',
      );
    }
    return { settings, gateways };
  }
  for (const url of settings.gateway.split(',')) checkAddress('gateway', url);
  if (settings.publisher !== '') checkAddress('publisher', settings.publisher);
  if (values.gateways !== undefined) {
    throw new WrongSettings(
      '--gateways and --gateway contradict each other: --gateway names a cluster that is there, --gateways is how many ' +
        'gateways a cluster of its own is started with. Leave one of them out; several addresses for --gateway have ' +
        'commas between them.',
    );
  }
  if (publishes && settings.publisher === '') {
    throw new WrongSettings(
      `--gateway needs --publisher for ${settings.scenario}: nothing can be published otherwise.`,
    );
  }
  if (settings.secret === '' && settings.token === '') {
    throw new WrongSettings(
      "Set JWT_SECRET in the environment to the gateways' secret, or LOAD_TOKEN to a token that they accept.",
    );
  }
  return { settings, gateways };
}

type Given = Readonly<Record<string, string | undefined>>;

/** Of no use where nothing is published. An address is true all the same, and may stay. */
const OF_PUBLISHING = ['bytes', 'publishers', 'p50', 'p99'] as const;

/** An option that would do nothing is refused: a run that passes must have judged what was asked for. */
function refuseIdle(settings: Settings, given: Given, publishes: boolean): void {
  const { scenario, p50, p99 } = settings;
  if (given.churn !== undefined && scenario !== 'churn') {
    throw new WrongSettings(`--churn is of the scenario churn only, not of ${scenario}.`);
  }
  const idle = publishes ? undefined : OF_PUBLISHING.find((name) => given[name] !== undefined);
  if (idle) {
    throw new WrongSettings(
      `--${idle} needs events, and --rate is 0${given.rate ? '' : ` for ${scenario}`}: give a --rate.`,
    );
  }
  if (given.p50 !== undefined && given.p99 !== undefined && p50 > p99) {
    throw new WrongSettings(
      `--p50 must not be more than --p99: a median of ${p50} ms would break --p99 ${p99} anyway.`,
    );
  }
}

/** What looks like an address may still be none, with a port of six digits for instance. */
function checkAddress(name: string, url: string): void {
  if (!URL.canParse(url)) throw new WrongSettings(`--${name}: ${url} is no address that can be read.`);
}

/** A number below zero is given to its option, which says what it takes; it would pass for an option of its own otherwise. */
function withNegatives(argv: readonly string[]): string[] {
  const args: string[] = [];
  for (const arg of argv) {
    const option = args.at(-1);
    if (/^-\d/.test(arg) && option?.startsWith('--') && !option.includes('=')) args.splice(-1, 1, `${option}=${arg}`);
    else args.push(arg);
  }
  return args;
}

function parse(argv: readonly string[]) {
  const names = [...entries.filter(([, option]) => !option.secret).map(([name]) => name as string), 'gateways'];
  try {
    const { positionals, values } = parseArgs({
      args: withNegatives(argv),
      allowPositionals: true,
      options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    });
    return { positionals, values: values as Given };
  } catch (error) {
    // What follows is about arguments that begin with a dash: we have none.
    throw new WrongSettings(`${(error as Error).message.split(/\.(?:\s|$)/)[0]}.`);
  }
}
