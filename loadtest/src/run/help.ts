/** What `npm run loadtest -- --help` says: every scenario and option with its default, from the tables that k6 reads too. */
import { SCENARIOS } from '../k6/scenarios.ts';
import { defaultsOf, OPTIONS, type Option, type OptionName } from '../k6/settings.ts';

const entries = Object.entries(OPTIONS) as [OptionName, Option][];
const defaults: Readonly<Record<string, string | number>> = {
  ...defaultsOf(10_000),
  properties: 'a hundredth of the connections',
  vus: 'a hundredth of the connections, at most 200',
};

function optionLine([name, option]: [OptionName, Option]): string {
  const looksLike = option.kind === 'text' && option.looksLike ? ` (${option.looksLike})` : '';
  const otherwise = defaults[name] === '' ? '' : ` (default: ${defaults[name]})`;
  return `  ${`--${name}`.padEnd(16)} ${option.means}${looksLike}${otherwise}`;
}

function scenarioLine([name, { means, defaults: own }]: [string, (typeof SCENARIOS)[keyof typeof SCENARIOS]]): string {
  const others = Object.entries(own).filter(([option, value]) => defaults[option] !== value);
  const shown = others.map(([option, value]) => `--${option} ${value}`).join(' ');
  return `  ${name.padEnd(10)} ${means}${shown && ` [${shown}]`}`;
}

export const HELP = `npm run loadtest -- <scenario> [options]

Starts a cluster on this machine (Redis, a publisher, a gateway), tests it with k6, and stops it again. With --gateway it
tests the cluster that is there, and starts none.

Scenarios; in brackets where they have other defaults than those below
${Object.entries(SCENARIOS).map(scenarioLine).join('\n')}

Options
${entries
  .filter(([, option]) => !option.secret)
  .map(optionLine)
  .join('\n')}
  --gateways       gateways of the cluster that is started; not beside --gateway (default: 1)

From the environment, as others could read them in a list of processes
${entries
  .filter(([, option]) => option.secret)
  .map(([, { env, means }]) => `  ${env.padEnd(16)} ${means}`)
  .join('\n')}

Exit code: 0 passed, 99 failed, 2 wrong arguments, 130 ended early (Ctrl-C), 1 where there was no test at all, or
k6 had to be ended.

  npm run loadtest -- connect --connections 200 --ramp 2 --duration 5     a first look: some ten seconds
  npm run loadtest -- fanout                                              10,000 connections; k6 takes gigabytes of memory
  JWT_SECRET=… npm run loadtest -- fanout --connections 1000 --gateway wss://host/ws --publisher https://host

docs/load-testing.md says what is checked, and how to read the result.
`;
