// @ts-check
/** What `npm start` says: its help, and once it is ready where everything is and how to see a first event. */

export const HELP = `npm start [-- --demo]

Runs the whole cluster on this machine: Redis, two gateways and the publisher. Installs and builds what is missing,
and stops all of it on Ctrl-C. The publisher asks data.cityofnewyork.us for properties that somebody subscribes to;
with SOURCES_ENABLED=false it asks nobody.

  --demo   the publisher makes up changes, so that something moves
  --help   this text

Environment (defaults):
  WEBSOCKET_PORT (8765)            first gateway; the second takes the next port
  OPERATOR_PORT (9765)             first gateway's metrics and health; the second takes the next port
  PUBLISHER_PORT (8770)            HTTP intake
  PUBLISHER_OPERATOR_PORT (9770)   publisher's metrics and health
  DASHBOARD_PORT (8080)            dashboard
  REDIS_URL (a private Redis)      a Redis 7 or newer to use instead: redis:// or rediss://, one by itself
  JWT_SECRET (random)              what tokens are signed with
  ACCESS_POLICY (authenticated)    who may read which property
  SOURCES_ENABLED (true)           whether the publisher asks data.cityofnewyork.us
  LOG_LEVEL (info)                 of what is written to .belfry/logs/<WEBSOCKET_PORT>
`;

const PROPERTY = '1012650001';

/** @param {number} count */
const change = (count) => JSON.stringify({ property_id: PROPERTY, violation_type: 'HPD', count });

/**
 * @param {object} cluster
 * @param {import('./ports.mjs').Ports} cluster.ports
 * @param {string} cluster.host
 * @param {string} cluster.redisUrl
 * @param {string} cluster.token
 * @param {string} cluster.operatorToken
 * @param {string} cluster.logFolder
 * @param {boolean} cluster.demo
 * @param {boolean} cluster.dashboard
 */
export function walkthrough({ ports, host, redisUrl, token, operatorToken, logFolder, demo, dashboard }) {
  const http = (/** @type {number} */ port) => `http://${host}:${port}`;
  const listen = (/** @type {number} */ port) =>
    [
      `TOKEN=${token}`,
      `node --input-type=module -e "import WebSocket from 'ws';`,
      `  const ws = new WebSocket('ws://${host}:${port}/ws?token=$TOKEN');`,
      `  ws.on('open', () => ws.send(JSON.stringify({ type: 'SUBSCRIBE', property_id: '${PROPERTY}' })));`,
      `  ws.on('message', (frame) => console.log(String(frame)));"`,
    ].join('\n');
  return `
Belfry is ready.

  gateways    ws://${host}:${ports.gateway1}/ws   ws://${host}:${ports.gateway2}/ws
  publisher   ${http(ports.publisher)}
  operators   ${http(ports.gateway1Operators)}   ${http(ports.gateway2Operators)}   ${http(ports.publisherOperators)}
  Redis       ${redisUrl}
${dashboard ? `  dashboard   ${http(ports.dashboard)}/#token=${token}&operator=${operatorToken}\n` : ''}  logs        ${logFolder}
  token       ${token}
  operator's  ${operatorToken}

Try it, in this folder:

1. Listen, in a second terminal (and in a third with port ${ports.gateway2}, the other gateway):

${listen(ports.gateway1)}

2. Report changes, in another one:

curl -X POST ${http(ports.publisher)}/v1/changes -H 'content-type: application/json' -d '${change(3)}'

redis-cli -u ${redisUrl} XADD belfry:intake '*' change '${change(4)}'

   A report that changes nothing makes no event: change the count to see another one.

3. See who is there, as an operator:

curl -H 'authorization: Bearer ${operatorToken}' ${http(ports.gateway1Operators)}/ws/connections
${demo ? '\nThe demo feed is on: changes come by themselves.\n' : ''}
Ctrl-C stops all of it.
`;
}
