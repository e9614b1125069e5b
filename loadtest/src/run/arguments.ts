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

export const HELP = `npm run loadtest -- <scenario> [options]

${Object.entries(SCENARIOS)
  .map(([name, { means }]) => `  ${name.padEnd(10)} ${means}`)
  .join('\n')}

${entries
  .filter(([, option]) => !option.secret)
  .map(([name, { means }]) => `  ${`--${name}`.padEnd(16)} ${means}`)
  .join('\n')}
  --gateways       gateways of the cluster that is started where no --gateway is given (default 1)

From the environment, as others could read them in a list of processes:
${entries
  .filter(([, option]) => option.secret)
  .map(([, { env, means }]) => `  ${env.padEnd(16)} ${means}`)
  .join('\n')}
`;

/** @throws WrongSettings with a sentence that says what is wrong */
export function readArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): LoadTestArguments {
  const { positionals, values } = parse(argv);
  if (positionals.length > 1) throw new WrongSettings(`One scenario at a time, not ${positionals.join(' and ')}.`);
  const settings = readSettings(positionals[0] ?? '', (name, option) =>
    option.secret ? env[option.env] : values[name],
  );
  const gateways = Number(values.gateways ?? 1);
  if (!Number.isInteger(gateways) || gateways < 1 || gateways > MOST_GATEWAYS) {
    throw new WrongSettings(`--gateways must be a whole number from 1 to ${MOST_GATEWAYS}, not ${values.gateways}.`);
  }
  if (settings.gateway === '') {
    if (settings.publisher !== '') throw new WrongSettings('--publisher needs --gateway: they must be of one cluster.');
    return { settings, gateways };
  }
  const publishes = SCENARIOS[settings.scenario].timeline(settings).publishing.length > 0;
  if (publishes && settings.publisher === '') {
    throw new WrongSettings(
      `--gateway needs --publisher for ${settings.scenario}: nothing can be published otherwise.`,
    );
  }
  if (settings.secret === '' && settings.token === '') {
    throw new WrongSettings("Set JWT_SECRET to the gateways' secret, or LOAD_TOKEN to a token that they accept.");
  }
  return { settings, gateways };
}

function parse(argv: readonly string[]) {
  const names = [...entries.filter(([, option]) => !option.secret).map(([name]) => name as string), 'gateways'];
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    });
    return { positionals, values: values as Readonly<Record<string, string | undefined>> };
  } catch (error) {
    // What follows is about arguments that begin with a dash: we have none.
    throw new WrongSettings(`${(error as Error).message.split(/\.(?:\s|$)/)[0]}.`);
  }
}
