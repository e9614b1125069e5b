// @ts-check
/**
 * The Redis of `npm start`, of `npm test` and of every test: a private `redis-server` on a free port of the loopback
 * address, with a folder of its own and nothing kept on disk unless asked for. Where there is no redis-server it is
 * installed, if that is possible without a question; where REDIS_URL is set, `npm start` uses that one.
 */
import { freePort } from './free-port.mjs';
import { ownFolder, run, spawnOwned, stopProcess } from './processes.mjs';
import { Interrupted, SetupError, say } from './steps.mjs';
import { installCommand, installProgram, REDIS } from './system-package.mjs';

/** `XADD <epoch>-*`, sharded pub/sub and `#!lua` scripts came with it. */
const OLDEST_REDIS = 7;
const START_DEADLINE_MS = 30_000;
const START_ATTEMPTS = 5;
const KEPT_CHARACTERS = 4_000;

/**
 * The path of a redis-server that is new enough.
 *
 * @param {{ signal?: AbortSignal, install?: boolean }} [options] `install` (default true): may install it
 * @throws SetupError with one sentence that says what to install
 */
export async function resolveRedisServer({ signal, install = true } = {}) {
  const command = 'redis-server';
  let version = await serverVersion(command);
  if (version === undefined && install) {
    say("  There is none: asking the system's package manager for it.");
    const failure = await installProgram(REDIS, signal);
    if (signal?.aborted) throw new Interrupted();
    if (failure) throw new SetupError(`${await installAdvice()}\nIt could not be installed for you: ${failure}`);
    version = await serverVersion(command);
  }
  if (version === undefined) throw new SetupError(await installAdvice());
  if (major(version) < OLDEST_REDIS) {
    throw new SetupError(`redis-server on the PATH is version ${version}. ${await installAdvice()}`);
  }
  return command;
}

/** Words for "install it yourself", fitting this machine. */
async function installAdvice() {
  const how = await installCommand(REDIS);
  return `Install redis-server 7 or newer${how ? ` (\`${how}\`)` : ''}, or set REDIS_URL to a Redis that is running.`;
}

/** @param {string} version */
const major = (version) => Number.parseInt(version, 10);

/**
 * @param {string} command
 * @returns {Promise<string | undefined>} undefined where there is no such command
 */
async function serverVersion(command) {
  const { code, output } = await run(command, ['--version']);
  return code === 0 ? /\bv=(\d+\.\d+\.\d+)/.exec(output)?.[1] : undefined;
}

/**
 * Checks that a Redis answers at `url` and is new enough. Needs the installed packages.
 * @param {string} url
 * @throws SetupError that names REDIS_URL and what is wrong; the password is not shown
 */
export async function checkRedisUrl(url) {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new SetupError(
      'REDIS_URL must look like redis://host:6379 or rediss://host:6379. With Sentinel or Cluster start gateways and publishers by themselves: docs/configuration.md.',
    );
  }
  const shown = new URL(url);
  shown.username = shown.password = '';
  const { Redis } = await import('ioredis');
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5000 });
  /** @type {Error | undefined} */
  let reason;
  redis.on('error', (error) => {
    reason = error;
  });
  try {
    await redis.connect();
    const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? 'unknown';
    if (!(major(version) >= OLDEST_REDIS)) {
      throw new SetupError(`REDIS_URL=${shown.href} is Redis ${version}; Belfry needs ${OLDEST_REDIS} or newer.`);
    }
  } catch (error) {
    if (error instanceof SetupError) throw error;
    const { message } = reason ?? /** @type {Error} */ (error);
    throw new SetupError(`REDIS_URL=${shown.href} does not answer: ${message.replace(/\.$/, '')}.`);
  } finally {
    redis.disconnect();
  }
}

/**
 * @typedef {object} RedisOptions
 * @property {number} [port] default: a free one
 * @property {string} [dir] where it keeps its files; default: a temporary folder that `stop` removes
 * @property {string} [configFile] one that redis-server may rewrite, as a sentinel does
 * @property {readonly string[]} [args] more of redis-server's arguments; later ones win
 * @property {RegExp} [ready] what it says once it serves
 *
 * @typedef {object} RunningRedis
 * @property {string} url
 * @property {number} port
 * @property {number} pid
 * @property {import('node:child_process').ChildProcess} child
 * @property {() => string} log the last lines it wrote
 * @property {() => Promise<void>} stop ends it and removes its temporary folder; harmless when it has ended
 */

/**
 * Starts a private Redis; resolves when it serves. It ends with this process at the latest.
 * @param {RedisOptions} [options]
 * @returns {Promise<RunningRedis>}
 * @throws Error with what redis-server said
 */
export async function startRedis(options = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options.port ?? (await freePort()), options);
    } catch (error) {
      // Somebody else may have been told the same free port.
      const taken = /in use/i.test(/** @type {Error} */ (error).message);
      if (!taken || options.port !== undefined || attempt === START_ATTEMPTS) throw error;
    }
  }
}

/**
 * @param {number} port
 * @param {RedisOptions} options
 * @returns {Promise<RunningRedis>}
 */
async function startOnce(port, { dir, configFile, args = [], ready = /Ready to accept connections/ }) {
  const folder = dir === undefined ? ownFolder('redis') : undefined;
  const place = folder?.path ?? /** @type {string} */ (dir);
  const basic = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', place, '--save', '', '--daemonize', 'no'];
  const config = configFile === undefined ? [] : [configFile];
  const child = spawnOwned('redis-server', [...config, ...basic, ...args], {
    cwd: place,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const log = () => said.trim();

  /** @type {Promise<void>} */
  const started = new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(`did not start in ${START_DEADLINE_MS / 1000} s`), START_DEADLINE_MS);
    const fail = (/** @type {string} */ what) => {
      clearTimeout(timer);
      reject(new Error(`redis-server on port ${port} ${what}:\n${log()}`));
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        said = (said + text).slice(-KEPT_CHARACTERS);
        if (!ready.test(said)) return;
        clearTimeout(timer);
        resolve();
      });
    }
    child.once('error', (error) => fail(error.message));
    child.once('close', (code) => fail(`ended with code ${code}`));
  });

  const stop = async () => {
    await stopProcess(child, 3000);
    await folder?.remove();
  };
  try {
    await started;
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid ?? 0, child, log, stop };
}
