/**
 * `npm run reliability -- gateway-kill | reconnect-storm | rolling-restart | failover-loss | revocation`: one promise each, measured on real processes.
 * Prints its figures beside their limits; exit code 1 where one was not kept.
 */
import { readCommandLine, refuse, wholeAboveZero } from '@belfry/testkit/command-line';
import { failoverLoss } from './failover-loss.js';
import { gatewayKill } from './gateway-kill.js';
import { reconnectStorm } from './reconnect-storm.js';
import { revocation } from './revocation.js';
import { rollingRestart } from './rolling-restart.js';

const MEASUREMENTS: Readonly<Record<string, (seed: number) => Promise<boolean>>> = {
  'gateway-kill': gatewayKill,
  'reconnect-storm': reconnectStorm,
  'rolling-restart': rollingRestart,
  'failover-loss': failoverLoss,
  revocation,
};

const ALL = Object.keys(MEASUREMENTS);

const { positionals, values } = readCommandLine(
  { allowPositionals: true, options: { seed: { type: 'string', default: '7' } } },
  `npm run reliability -- [measurements] [--seed 7]\n\n  measurements   ${ALL.join(', ')}; default: all`,
);
const seed = wholeAboveZero('seed', values.seed);
const measures = (positionals.length > 0 ? positionals : ALL).map(
  (name) => MEASUREMENTS[name] ?? refuse(`There is no measurement ${name}. There are: ${ALL.join(', ')}.`),
);
let kept = true;
for (const measure of measures) kept = (await measure(seed)) && kept;
process.exit(kept ? 0 : 1);
