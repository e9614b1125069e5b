/**
 * `npm run reliability -- gateway-kill | reconnect-storm | rolling-restart | failover-loss | revocation`: one promise each, measured on real processes.
 * Prints its figures beside their limits; exit code 1 where one was not kept.
 */
import { parseArgs } from 'node:util';
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

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '7' } },
});
const names = positionals.length > 0 ? positionals : Object.keys(MEASUREMENTS);
let kept = true;
for (const name of names) {
  const measure = MEASUREMENTS[name];
  if (!measure) throw new Error(`there is no ${name}; there are ${Object.keys(MEASUREMENTS).join(', ')}`);
  kept = (await measure(Number(values.seed))) && kept;
}
process.exit(kept ? 0 : 1);
