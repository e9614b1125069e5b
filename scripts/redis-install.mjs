// @ts-check
/**
 * Installs redis-server with the system's package manager where that needs no question answered: as root, with a
 * passwordless sudo, or with Homebrew. Nobody asked us for a system service, so none is left running.
 */
import { connect } from 'node:net';
import { run } from './processes.mjs';

const SERVICE_PORT = 6379;

/**
 * @typedef {object} Manager
 * @property {string} command
 * @property {readonly (readonly string[])[]} steps arguments of each call, in order
 * @property {boolean} root needs to be root
 * @property {Readonly<Record<string, string>>} [env]
 * @property {string} advice what a person would type
 */

/** @type {readonly Manager[]} */
const MANAGERS = [
  {
    command: 'apt-get',
    steps: [
      ['-qq', 'update'],
      ['-qq', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', 'install', 'redis-server'],
    ],
    root: true,
    // invoke-rc.d starts no service in runlevel 1.
    env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    advice: 'apt-get install redis-server',
  },
  { command: 'apk', steps: [['add', '--no-progress', 'redis']], root: true, advice: 'apk add redis' },
  { command: 'dnf', steps: [['-q', '-y', 'install', 'redis']], root: true, advice: 'dnf install redis' },
  {
    command: 'brew',
    steps: [['install', '--quiet', 'redis']],
    root: false,
    env: { HOMEBREW_NO_AUTO_UPDATE: '1', HOMEBREW_NO_ENV_HINTS: '1' },
    advice: 'brew install redis',
  },
];

/** @param {string} command @param {readonly string[]} args */
const works = async (command, args) => (await run(command, args)).code === 0;

/** The first package manager of this machine, or undefined. */
async function findManager() {
  for (const manager of MANAGERS) if (await works(manager.command, ['--version'])) return manager;
  return undefined;
}

/** Words for "install it yourself", fitting this machine. */
export async function installAdvice() {
  const manager = await findManager();
  const how = manager ? ` (\`${manager.root ? 'sudo ' : ''}${manager.advice}\`)` : '';
  return `Install redis-server 7 or newer${how}, or set REDIS_URL to a Redis that is running.`;
}

/**
 * @param {AbortSignal} [signal] interrupts the package manager, which then ends in its own time
 * @returns {Promise<string | undefined>} undefined when it was installed, else why not
 */
export async function installRedis(signal) {
  const manager = await findManager();
  if (!manager) return 'no package manager that we know';
  const prefix = await privilege(manager);
  if (!prefix) return `${manager.command} needs root, and sudo asks for a password`;

  const takenBefore = await answers(SERVICE_PORT);
  const env = { ...process.env, ...manager.env };
  for (const args of manager.steps) {
    const settings = Object.entries(manager.env ?? {}).map(([name, value]) => `${name}=${value}`);
    // sudo drops the environment: `env` sets it on the other side.
    const [command = '', ...rest] = [
      ...prefix,
      ...(prefix.length > 0 ? ['env', ...settings] : []),
      manager.command,
      ...args,
    ];
    const result = await run(command, rest, { env, signal, orphan: 'interrupt' });
    const last = args === manager.steps.at(-1);
    // A failed `update` (one mirror of many is down) does not mean that the package cannot be had.
    if (result.code !== 0 && last) return `\`${command} ${rest.join(' ')}\` failed:\n${result.output.trim()}`;
    if (signal?.aborted) return 'interrupted';
  }
  if (!takenBefore) await stopService(prefix);
  return undefined;
}

/**
 * What to put before the command so that it may install.
 * @param {Manager} manager
 * @returns {Promise<readonly string[] | undefined>}
 */
async function privilege(manager) {
  if (!manager.root || process.getuid?.() === 0) return [];
  return (await works('sudo', ['-n', 'true'])) ? ['sudo', '-n'] : undefined;
}

/**
 * Where the package started its service in spite of what we asked, ends it.
 * @param {readonly string[]} prefix
 */
async function stopService(prefix) {
  if (!(await answers(SERVICE_PORT))) return;
  for (const stop of [
    ['systemctl', 'disable', '--now', 'redis-server'],
    ['service', 'redis-server', 'stop'],
  ]) {
    const [command = '', ...args] = [...prefix, ...stop];
    if ((await works(command, args)) && !(await answers(SERVICE_PORT))) return;
  }
}

/**
 * Whether somebody listens on this port of the loopback address.
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (/** @type {boolean} */ result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
