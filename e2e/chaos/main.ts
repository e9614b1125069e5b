/**
 * `npm run chaos -- --seconds 600 --seed 7`: real processes, thousands of clients that keep positions, faults from a
 * seed, and an audit of every delivery. Exit code 1 on any violation.
 */
import { writeFileSync } from 'node:fs';
import { readCommandLine, refuse, wholeAboveZero } from '@belfry/testkit/command-line';
import type { Plant } from './clients/plan.js';
import type { RedisKind } from './cluster/redis.js';
import { failures, reportText } from './report.js';
import { run } from './run.js';

const { values } = readCommandLine(
  {
    options: {
      seconds: { type: 'string', default: '600' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6) + 1) },
      redis: { type: 'string', default: 'standalone' },
      clients: { type: 'string', default: '3000' },
      gateways: { type: 'string', default: '3' },
      publishers: { type: 'string', default: '2' },
      properties: { type: 'string', default: '150' },
      channels: { type: 'string', default: '10' },
      rate: { type: 'string', default: '80' },
      settle: { type: 'string', default: '60' },
      plant: { type: 'string' },
      report: { type: 'string', default: 'chaos-report.txt' },
      quiet: { type: 'boolean', default: false },
    },
  },
  `npm run chaos -- [options]

  --seconds      of faults (default 600)
  --seed         the same faults for the same seed (default: one that is printed)
  --redis        standalone, sentinel or cluster (default standalone)
  --clients      default 3000
  --gateways     default 3
  --publishers   default 2
  --properties   default 150
  --channels     properties that each client follows (default 10)
  --rate         changes reported a second (default 80)
  --settle       seconds that clients have to catch up when all is healed (default 60)
  --plant        drop, double or reorder: spoils what some clients receive; the audit has to find it
  --report       file for the report (default chaos-report.txt)
  --quiet        says nothing before the report`,
);

const whole = (name: Exclude<keyof typeof values, 'plant' | 'quiet'>): number => wholeAboveZero(name, values[name]);
function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  return (
    allowed.find((each) => each === value) ?? refuse(`--${name} must be one of ${allowed.join(', ')}, not ${value}.`)
  );
}
if (whole('channels') > whole('properties')) refuse('--channels must not be more than --properties.');

const result = await run({
  seconds: whole('seconds'),
  seed: whole('seed'),
  redis: oneOf<RedisKind>('redis', values.redis, ['standalone', 'sentinel', 'cluster']),
  clients: whole('clients'),
  gateways: whole('gateways'),
  publishers: whole('publishers'),
  properties: whole('properties'),
  channelsPerClient: whole('channels'),
  perSecond: whole('rate'),
  settleMs: whole('settle') * 1_000,
  plant: values.plant === undefined ? undefined : oneOf<Plant>('plant', values.plant, ['drop', 'double', 'reorder']),
  onProgress: (line) => {
    if (!values.quiet) console.log(line);
  },
});
const text = reportText(result);
writeFileSync(values.report, text);
console.log(`\n${text}`);
process.exit(failures(result).length === 0 ? 0 : 1);
