// @ts-check
/**
 * Installs a program with the system's package manager where that needs no question answered: as root, with a
 * passwordless sudo, or with Homebrew. Nobody asked us for a system service, so none is left running.
 */
import { run } from './processes.mjs';

/**
 * @typedef {object} Program
 * @property {Readonly<Record<string, string>>} packages the package's name by package manager
 * @property {string} [service] what the package may start, and we end
 *
 * @typedef {object} Manager
 * @property {string} command
 * @property {readonly (readonly string[])[]} prepare arguments of the calls before the installation
 * @property {readonly string[]} install arguments before the package's name
 * @property {boolean} root needs to be root
 * @property {Readonly<Record<string, string>>} [env]
 */

/** @type {Program} */
export const REDIS = {
  packages: { 'apt-get': 'redis-server', apk: 'redis', dnf: 'redis', brew: 'redis' },
  service: 'redis-server',
};

/** @type {Program} */
export const CHROMIUM = { packages: { 'apt-get': 'chromium', apk: 'chromium', dnf: 'chromium' } };

/** @type {readonly Manager[]} */
const MANAGERS = [
  {
    command: 'apt-get',
    prepare: [['-qq', 'update']],
    install: ['-qq', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', 'install'],
    root: true,
    // Without systemd, no service is started in runlevel 1.
    env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  },
  { command: 'apk', prepare: [], install: ['add', '--no-progress'], root: true },
  { command: 'dnf', prepare: [], install: ['-q', '-y', 'install'], root: true },
  {
    command: 'brew',
    prepare: [],
    install: ['install', '--quiet'],
    root: false,
    env: { HOMEBREW_NO_AUTO_UPDATE: '1', HOMEBREW_NO_ENV_HINTS: '1' },
  },
];

/** @param {string} command @param {readonly string[]} args */
const works = async (command, args) => (await run(command, args)).code === 0;

/**
 * The first package manager of this machine, or undefined.
 * @returns {Promise<Manager | undefined>}
 */
async function findManager() {
  for (const manager of MANAGERS) if (await works(manager.command, ['--version'])) return manager;
  return undefined;
}

/**
 * What a person would type on this machine; undefined where no package manager that we know has it.
 * @param {Program} program
 */
export async function installCommand({ packages }) {
  const manager = await findManager();
  const name = manager && packages[manager.command];
  if (!name) return undefined;
  const verb = manager.command === 'apk' ? 'add' : 'install';
  return `${manager.root ? 'sudo ' : ''}${manager.command} ${verb} ${name}`;
}

/**
 * @param {Program} program
 * @param {AbortSignal} [signal] interrupts the package manager, which then ends in its own time
 * @returns {Promise<string | undefined>} undefined when it was installed, else why not
 */
export async function installProgram({ packages, service }, signal) {
  const manager = await findManager();
  const name = manager && packages[manager.command];
  if (!name) return 'no package manager that we know';
  const prefix = await privilege(manager);
  if (!prefix) return `${manager.command} needs root, and sudo asks for a password`;

  // By way of `env`, as sudo drops the environment.
  const settings = Object.entries(manager.env ?? {}).map(([key, value]) => `${key}=${value}`);
  const call = async (/** @type {readonly string[]} */ args) => {
    const [command = '', ...rest] = [...prefix, 'env', ...settings, manager.command, ...args];
    const { code, output } = await run(command, rest, { signal, orphan: 'interrupt' });
    return code === 0 ? undefined : `\`${command} ${rest.join(' ')}\` failed:\n${output.trim()}`;
  };
  for (const args of manager.prepare) {
    // A failed `update` (one mirror of many is down) does not mean that the package cannot be had.
    await call(args);
    if (signal?.aborted) return 'interrupted';
  }
  const failure = await call([...manager.install, name]);
  if (signal?.aborted) return 'interrupted';
  if (failure) return failure;
  if (service && manager.root) await unserve(service, prefix);
  return undefined;
}

/**
 * Ends the service that a package started; systemd would start it again with every boot.
 * @param {string} service
 * @param {readonly string[]} prefix
 */
async function unserve(service, prefix) {
  for (const stop of [
    ['systemctl', 'disable', '--now', service],
    ['service', service, 'stop'],
  ]) {
    const [command = '', ...args] = [...prefix, ...stop];
    await works(command, args);
  }
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
