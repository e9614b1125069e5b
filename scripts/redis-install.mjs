// @ts-check
/**
 * Installs redis-server with the system's package manager where that needs no question answered: as root, with a
 * passwordless sudo, or with Homebrew. Nobody asked us for a system service, so none is left running.
 */
import { run } from './processes.mjs';

/**
 * @typedef {object} Manager
 * @property {string} command
 * @property {readonly (readonly string[])[]} steps arguments of each call, in order
 * @property {readonly (readonly string[])[]} [unserve] ends the service that the package may have started; may fail
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
    // systemd starts the service whatever the runlevel, and would again with every boot.
    unserve: [
      ['systemctl', 'disable', '--now', 'redis-server'],
      ['service', 'redis-server', 'stop'],
    ],
    root: true,
    // Without systemd, no service is started in runlevel 1.
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

  // By way of `env`, as sudo drops the environment.
  const settings = Object.entries(manager.env ?? {}).map(([name, value]) => `${name}=${value}`);
  for (const args of manager.steps) {
    const [command = '', ...rest] = [...prefix, 'env', ...settings, manager.command, ...args];
    const result = await run(command, rest, { signal, orphan: 'interrupt' });
    const last = args === manager.steps.at(-1);
    // A failed `update` (one mirror of many is down) does not mean that the package cannot be had.
    if (result.code !== 0 && last) return `\`${command} ${rest.join(' ')}\` failed:\n${result.output.trim()}`;
    if (signal?.aborted) return 'interrupted';
  }
  for (const stop of manager.unserve ?? []) {
    const [command = '', ...args] = [...prefix, ...stop];
    await works(command, args);
  }
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
