/**
 * `npm run chaos -- --seconds 600 --seed 7`: real processes, thousands of clients that keep positions, faults from a
 * seed, and an audit of every delivery. Exit code 1 on any violation.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Plant } from './clients/plan.js';
import type { RedisKind } from './cluster/redis.js';
import { failures, reportText } from './report.js';
import { run } from './run.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    redis: { type: 'string', default: 'standalone' },
    clients: { type: 'string', default: '3000' },
    gateways: { type: 'string', default: '3' },
    publishers: { type: 'string', default: '2' },
    properties: { type: 'string', default: '150' },
    channels: { type: 'string', default: '10' },
    rate: { type: 'string', default: '80' },
    /** How long clients have to catch up when all is healed. */
    settle: { type: 'string', default: '60' },
    plant: { type: 'string' },
    report: { type: 'string', default: 'chaos-report.txt' },
    quiet: { type: 'boolean', default: false },
  },
});

function whole(name: string, value: string): number {
  const number = Number(value);
  if (!(Number.isInteger(number) && number > 0)) throw new Error(`--${name} must be a whole number above 0`);
  return number;
}
function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (!found) throw new Error(`--${name} must be one of ${allowed.join(', ')}`);
  return found;
}

const result = await run({
  seconds: whole('seconds', values.seconds),
  seed: whole('seed', values.seed),
  redis: oneOf<RedisKind>('redis', values.redis, ['standalone', 'sentinel', 'cluster']),
  clients: whole('clients', values.clients),
  gateways: whole('gateways', values.gateways),
  publishers: whole('publishers', values.publishers),
  properties: whole('properties', values.properties),
  channelsPerClient: whole('channels', values.channels),
  perSecond: whole('rate', values.rate),
  settleMs: whole('settle', values.settle) * 1_000,
  plant: values.plant === undefined ? undefined : oneOf<Plant>('plant', values.plant, ['drop', 'double', 'reorder']),
  onProgress: (line) => {
    if (!values.quiet) console.log(line);
  },
});
const text = reportText(result);
writeFileSync(values.report, text);
console.log(`\n${text}`);
process.exit(failures(result).length === 0 ? 0 : 1);
