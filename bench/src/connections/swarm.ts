/**
 * A client process of the measurement: opens its share of the connections, authenticates and subscribes on each in one
 * go, says when all are subscribed, and answers PINGs until it is ended.
 */
import { mintToken } from '@belfry/testkit';
import { propertiesOf, type SwarmPlan, type SwarmReport } from './plan.js';
import { openRaw } from './wire.js';

/** Below what a listen queue takes, so that no handshake has to be repeated. */
const HANDSHAKES_AT_ONCE = 200;

const report = (message: SwarmReport): void => void process.send?.(message);

function run(plan: SwarmPlan): void {
  let opened = 0;
  let ready = 0;
  const sameToken = mintToken({ user_id: 'load', role: 'ADMIN' }, { secret: plan.secret });
  const tokenOf = (connection: number): string =>
    plan.users === 'same'
      ? sameToken
      : mintToken({ user_id: `load-${connection}`, role: 'ADMIN' }, { secret: plan.secret });

  function openNext(): void {
    if (opened === plan.connections) return;
    const connection = plan.first + opened;
    opened += 1;
    let missing = plan.channels;
    openRaw(plan.port, {
      open(client) {
        client.send(JSON.stringify({ type: 'AUTHENTICATE', token: tokenOf(connection) }));
        client.send(JSON.stringify({ type: 'SUBSCRIBE', property_ids: propertiesOf(connection, plan) }));
      },
      text(client, text) {
        if (text.startsWith('{"type":"PING"')) client.send('{"type":"PONG"}');
        else if (text.startsWith('{"type":"ERROR"')) report({ kind: 'failed', reason: text });
        if (!text.startsWith('{"type":"SUBSCRIBED"')) return;
        missing -= 1;
        if (missing !== 0) return;
        ready += 1;
        if (ready === plan.connections) report({ kind: 'ready' });
        openNext();
      },
      end: (reason) => report({ kind: 'failed', reason: `connection ${connection}: ${reason}` }),
    });
  }
  for (let n = 0; n < HANDSHAKES_AT_ONCE; n += 1) openNext();
}

process.once('message', (plan) => run(plan as SwarmPlan));
process.once('disconnect', () => process.exit());
