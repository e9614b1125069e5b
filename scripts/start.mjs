// @ts-check
/**
 * `npm start`: the whole cluster on this machine, from a fresh clone. Sets up what is missing, starts Redis, two
 * gateways and the publisher, and takes all of it down again when it is asked to, or when one of them dies.
 */
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandLine } from './command-line.mjs';
import { serveDashboard } from './dashboard.mjs';
import { checkPorts, readPorts } from './ports.mjs';
import { checkRedisUrl, resolveRedisServer, startRedis } from './redis.mjs';
import { startService } from './service.mjs';
import { serviceCommand } from './service-command.mjs';
import { build, checkNode, installPackages, ROOT } from './setup.mjs';
import { Interrupted, report, SetupError, step } from './steps.mjs';
import { watchStopRequests } from './stop-request.mjs';
import { signToken } from './token.mjs';
import { HELP, walkthrough } from './walkthrough.mjs';

const TOKEN_SECONDS = 12 * 3600;
const DASHBOARD = join(ROOT, 'packages', 'dashboard', 'dist');
/** Whoever wants it reachable from elsewhere says so. */
const HOST = process.env.WEBSOCKET_HOST || '127.0.0.1';

/** @typedef {{ stop(): Promise<void>, kill(): void }} Part */
/** What runs. @type {Part[]} */
const doors = [];
/** @type {Part | undefined} */
let ownRedis;

/**
 * @param {AbortSignal} signal
 * @param {string} logFolder
 * @returns {Promise<{ url: string, died: Promise<never> }>}
 */
async function redisFor(signal, logFolder) {
  const given = process.env.REDIS_URL;
  if (given) {
    await step('Checking REDIS_URL', () => checkRedisUrl(given));
    return { url: given, died: new Promise(() => undefined) };
  }
  await step('Looking for redis-server', () => resolveRedisServer({ signal }));
  const redis = await step('Starting Redis', () => startRedis());
  ownRedis = { stop: redis.stop, kill: () => redis.child.kill('SIGKILL') };
  const file = createWriteStream(join(logFolder, 'redis.log'));
  file.write(`${redis.log()}\n`);
  redis.child.stdout?.pipe(file);
  /** @type {Promise<never>} */
  const died = new Promise((_, reject) => {
    redis.child.once('close', () => reject(new SetupError(`Redis ended. Its last lines:\n${redis.log()}`)));
  });
  died.catch(() => undefined);
  return { url: redis.url, died };
}

/**
 * @param {import('./ports.mjs').Ports} ports
 * @param {string} logFolder
 * @param {Readonly<Record<string, string>>} gatewayEnv
 * @param {Readonly<Record<string, string>>} publisherEnv
 */
function startServices(ports, logFolder, gatewayEnv, publisherEnv) {
  const service = (
    /** @type {string} */ name,
    /** @type {'gateway' | 'publisher'} */ kind,
    /** @type {number} */ operatorPort,
    /** @type {Readonly<Record<string, string>>} */ env,
  ) => {
    const started = startService({
      name,
      command: serviceCommand(kind),
      env: { NODE_NAME: name, OPERATOR_HOST: HOST, OPERATOR_PORT: `${operatorPort}`, ...env },
      operatorUrl: `http://${HOST}:${operatorPort}`,
      logFile: join(logFolder, `${name}.log`),
    });
    doors.push(started);
    return started;
  };
  const gateway = (/** @type {string} */ name, /** @type {number} */ port, /** @type {number} */ operatorPort) =>
    service(name, 'gateway', operatorPort, { ...gatewayEnv, WEBSOCKET_PORT: `${port}` });
  return [
    gateway('gateway-1', ports.gateway1, ports.gateway1Operators),
    gateway('gateway-2', ports.gateway2, ports.gateway2Operators),
    service('publisher', 'publisher', ports.publisherOperators, publisherEnv),
  ];
}

/** Doors first, Redis last, so that nobody complains of what is gone. */
async function stopAll() {
  if (!ownRedis && doors.length === 0) return;
  console.log('\nStopping …');
  await Promise.all(doors.map((door) => door.stop()));
  await ownRedis?.stop();
  console.log('Stopped.');
}

function killAll() {
  for (const part of [...doors, ownRedis]) part?.kill();
  process.exit(130);
}

async function main() {
  const { demo = false } = readCommandLine({ options: { demo: { type: 'boolean' } } }, HELP).values;
  const { signal, requested } = watchStopRequests(killAll);
  try {
    checkNode();
    const ports = readPorts(process.env);
    await checkPorts(ports, { host: HOST, dashboard: existsSync(DASHBOARD) });
    console.log('Setting up Belfry');
    await installPackages(signal);
    await build(signal);
    // Another start may have been at its build as well when we looked.
    await checkPorts(ports, { host: HOST, dashboard: existsSync(DASHBOARD) });
    // One that runs beside us on other ports goes on writing to its own.
    const logFolder = join(ROOT, '.belfry', 'logs', `${ports.gateway1}`);
    mkdirSync(logFolder, { recursive: true });
    const redis = await redisFor(signal, logFolder);

    const secret = process.env.JWT_SECRET || randomBytes(48).toString('base64url');
    // Who gets in, and who may read what, is decided alike at every door.
    const shared = {
      REDIS_URL: redis.url,
      JWT_SECRET: secret,
      ACCESS_POLICY: process.env.ACCESS_POLICY || 'authenticated',
    };
    const services = startServices(
      ports,
      logFolder,
      {
        ...shared,
        WEBSOCKET_HOST: HOST,
        // In a real cluster clients are sent away slowly, to the other gateways: here all of them stop at once.
        SHUTDOWN_SECONDS: process.env.SHUTDOWN_SECONDS || '1',
      },
      {
        ...shared,
        HTTP_HOST: HOST,
        HTTP_PORT: `${ports.publisher}`,
        ...(demo ? { DEMO_FEED: 'true' } : {}),
      },
    );
    const died = Promise.race([redis.died, ...services.map((service) => service.died)]);
    died.catch(() => undefined);
    const ready = Promise.all(services.map((service) => service.ready()));
    await step('Starting two gateways and the publisher', () => Promise.race([ready, died, requested]));
    if (signal.aborted) throw new Interrupted();

    const dashboard = existsSync(DASHBOARD);
    if (dashboard) {
      const server = await serveDashboard(DASHBOARD, {
        host: HOST,
        port: ports.dashboard,
        gateways: [ports.gateway1, ports.gateway2].map((port) => `ws://${HOST}:${port}/ws`),
        operators: `http://${HOST}:${ports.gateway1Operators}`,
        publisher: `http://${HOST}:${ports.publisher}`,
      });
      doors.push({ stop: async () => server.close(), kill: server.close });
    }
    // The secret decides who gets in; the role lets a newcomer see everything.
    const token = signToken({ user_id: 'admin', role: 'ADMIN' }, { secret, expiresInSeconds: TOKEN_SECONDS });
    const operator = { user_id: 'operator', aud: 'belfry-operators' };
    const operatorToken = signToken(operator, { secret, expiresInSeconds: TOKEN_SECONDS });
    console.log(
      walkthrough({ ports, host: HOST, redisUrl: redis.url, token, operatorToken, logFolder, demo, dashboard }),
    );
    await Promise.race([died, requested]);
  } catch (error) {
    report(error);
    process.exitCode = error instanceof Interrupted ? 130 : 1;
  }
  await stopAll();
  // A request that is still under way, or a stream that never closes, must not hold us.
  process.exit();
}

await main();
