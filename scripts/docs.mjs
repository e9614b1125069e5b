// @ts-check
/**
 * `npm run docs`: writes the generated parts of the documentation from the registries in code, as built. They stand
 * between `<!-- generated: NAME -->` and `<!-- end -->`; everything else in a document is written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  accessTableOf,
  closeCodesTable,
  controlsTable,
  errorCodesTable,
  fieldsTable,
  httpErrorsTable,
  limitsTable,
  messagesTable,
  metricsTable,
  operatorCallsTable,
  secretFilesTable,
  settingsTable,
} from './docs-tables.mjs';
import { CONTROLS } from './security/index.mjs';
import { readVerdicts, verdictOf } from './security.mjs';
import { build, ROOT } from './setup.mjs';

/** Documents with generated parts. */
export const DOCUMENTS = [
  'README.md',
  'PROTOCOL.md',
  'docs/configuration.md',
  'docs/publishing.md',
  'docs/metrics.md',
  'docs/operators.md',
  'docs/security.md',
];

/** What most installations set; docs/configuration.md has all. */
const EVERYDAY_GATEWAY = [
  'JWT_SECRET',
  'REDIS_URL',
  'WEBSOCKET_HOST',
  'WEBSOCKET_PORT',
  'OPERATOR_PORT',
  'ACCESS_POLICY',
  'ALLOWED_ORIGINS',
  'MAX_CONNECTIONS',
  'MAX_CONNECTIONS_PER_IP',
  'MAX_CONNECTIONS_PER_USER',
  'LOG_MAX_EVENTS',
  'LOG_LEVEL',
];
const EVERYDAY_PUBLISHER = ['REDIS_URL', 'HTTP_HOST', 'HTTP_PORT', 'PUBLISHER_TOKEN', 'OPERATOR_PORT', 'LOG_LEVEL'];

/** What clients can run into. @type {readonly import('./docs-tables.mjs').Limit[]} */
const LIMITS = [
  {
    what: 'messages at once; refilled evenly over RATE_LIMIT_WINDOW_SECONDS',
    setting: 'RATE_LIMIT_MESSAGES',
    beyond: 'ERROR `rate_limited` with `retry_after_ms`; after 50 in a row close 4202',
  },
  {
    what: 'events replayed to a user by a gateway in RATE_LIMIT_WINDOW_SECONDS, or read for an `after` that the log does not hold',
    setting: 'RATE_LIMIT_REPLAYED_EVENTS',
    beyond: 'ERROR `rate_limited` with `retry_after_ms` for `after` and `rewind`; new events still come',
  },
  { what: 'a frame of a client', setting: 'MAX_MESSAGE_BYTES', beyond: 'the connection is cut' },
  { what: 'channels of a connection', setting: 'MAX_SUBSCRIPTIONS', beyond: 'ERROR `too_many_subscriptions`' },
  { what: 'connections of a user on a gateway', setting: 'MAX_CONNECTIONS_PER_USER', beyond: 'close 4203' },
  { what: 'connections of an address on a gateway', setting: 'MAX_CONNECTIONS_PER_IP', beyond: 'HTTP 429' },
  { what: 'connections of a gateway', setting: 'MAX_CONNECTIONS', beyond: 'HTTP 503' },
  { what: 'until a connection is authenticated', setting: 'AUTHENTICATION_DEADLINE_SECONDS', beyond: 'close 4100' },
  {
    what: 'bytes that wait for a slow client',
    setting: 'MAX_BACKPRESSURE_BYTES',
    beyond: 'close 4201; recovery fills the hole',
  },
  { what: 'how long any bytes may wait for it', setting: 'SLOW_CONSUMER_SECONDS', beyond: 'the same' },
  {
    what: 'how long a SUBSCRIBE waits while Redis is away',
    setting: 'SUBSCRIBE_WAIT_SECONDS',
    beyond: 'ERROR `unavailable` with `retry_after_ms`; the connection stays',
  },
];

/**
 * The registries, read from the build.
 * @returns {Promise<Readonly<Record<string, () => string>>>} what writes each generated part, by its name
 */
export async function loadParts() {
  const built = (/** @type {string} */ path) => import(join(ROOT, 'packages', path));
  const protocol = await built('shared/dist/protocol/index.js');
  const { Registry } = await built('shared/dist/service/index.js');
  const { gatewaySettings } = await built('gateway/dist/settings.js');
  const { publisherSettings } = await built('publisher/dist/settings.js');
  const { createGatewayMetrics } = await built('gateway/dist/metrics.js');
  const { createPublisherMetrics, watchLag } = await built('publisher/dist/metrics.js');
  const { createJobMetrics } = await built('publisher/dist/jobs/metrics.js');
  const { createSourceMetrics } = await built('publisher/dist/sources/nyc/metrics.js');
  const { createAlertMetrics } = await built('publisher/dist/alerts/metrics.js');
  const { createKpiMetrics } = await built('publisher/dist/portfolio/metrics.js');
  const { createJobRoutes } = await built('publisher/dist/operators/jobs.js');
  const { createDeadLetterRoutes } = await built('publisher/dist/operators/dead-letters.js');
  const { HTTP_ERRORS } = await built('publisher/dist/http/server.js');
  const { accessTable } = await built('shared/dist/auth/index.js');
  const { createOperatorRoutes } = await built('gateway/dist/admin/operations.js');
  const verdicts = readVerdicts();
  return {
    'security-controls': () =>
      controlsTable(CONTROLS.map((control) => ({ ...control, verdict: verdictOf(control, verdicts) }))),
    'access-roles': () => accessTableOf(accessTable('roles')),
    'access-authenticated': () => accessTableOf(accessTable('authenticated')),
    // Only their descriptions are read: no part of a gateway is needed for that.
    'operator-calls': () => operatorCallsTable(createOperatorRoutes({})),
    'publisher-operator-calls': () =>
      operatorCallsTable([...createJobRoutes({}).routes, ...createDeadLetterRoutes({ prefix: '' })]),
    'client-messages': () => messagesTable(protocol.CLIENT_MESSAGES),
    'gateway-messages': () => messagesTable(protocol.GATEWAY_MESSAGES),
    'message-fields': () => fieldsTable(protocol.MESSAGE_FIELDS),
    'violation-update-fields': () => fieldsTable(protocol.VIOLATION_UPDATE_FIELDS),
    'state-update-fields': () => fieldsTable(protocol.STATE_UPDATE_FIELDS),
    'error-codes': () => errorCodesTable(protocol.ERROR_CODES),
    'close-codes': () => closeCodesTable(protocol.CLOSE_CODES),
    limits: () => limitsTable(gatewaySettings, LIMITS),
    'gateway-settings-everyday': () => settingsTable(gatewaySettings, EVERYDAY_GATEWAY),
    'gateway-settings': () => settingsTable(gatewaySettings),
    'publisher-settings-everyday': () => settingsTable(publisherSettings, EVERYDAY_PUBLISHER),
    'publisher-settings': () => settingsTable(publisherSettings),
    'secret-files': () => secretFilesTable({ gateway: gatewaySettings, publisher: publisherSettings }),
    'publisher-http-errors': () => httpErrorsTable(HTTP_ERRORS),
    // Gauges are asked for their values only when somebody scrapes.
    'gateway-metrics': () => metricsTable(registered(new Registry(), (r) => createGatewayMetrics(r).watch({}))),
    'publisher-metrics': () =>
      metricsTable(
        registered(new Registry(), (r) => {
          createPublisherMetrics(r);
          watchLag(r, () => []);
          createAlertMetrics(r);
          createJobMetrics(r, undefined, Date.now);
          createKpiMetrics(r);
          createSourceMetrics(r, async () => []);
        }),
      ),
  };
}

/**
 * What a process registers beside Node's own metrics.
 * @template R
 * @param {R & { getMetricsAsArray(): unknown }} registry
 * @param {(registry: R) => void} register
 * @returns {import('./docs-tables.mjs').Metric[]}
 */
function registered(registry, register) {
  register(registry);
  /** @typedef {{ name: string, help: string, type: string, labelNames: readonly string[] }} Registered */
  const metrics = /** @type {Registered[]} */ (registry.getMetricsAsArray());
  return metrics
    .map(({ name, help, type, labelNames }) => ({ name, help, type, labels: labelNames }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const PART = /<!-- generated: ([a-z-]+) -->\n([\s\S]*?)<!-- end -->/g;

/**
 * A document with its generated parts written anew.
 * @param {string} text
 * @param {Readonly<Record<string, () => string>>} parts
 * @throws Error where the document names a part that nothing writes
 */
export function generate(text, parts) {
  return text.replace(PART, (_, /** @type {string} */ name) => {
    const part = parts[name];
    if (!part) throw new Error(`nothing writes the part ${name}`);
    return `<!-- generated: ${name} -->\n${part()}\n<!-- end -->`;
  });
}

/** The names of a document's generated parts. @param {string} text */
export const partsIn = (text) => [...text.matchAll(PART)].map(([, name = '']) => name);

async function main() {
  await build();
  const parts = await loadParts();
  for (const document of DOCUMENTS) {
    const file = join(ROOT, document);
    const before = readFileSync(file, 'utf8');
    const after = generate(before, parts);
    if (after !== before) writeFileSync(file, after);
    console.log(`${document}: ${after === before ? 'up to date' : 'written'}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
