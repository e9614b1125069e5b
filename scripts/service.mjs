// @ts-check
/** One process of the cluster that `npm start` runs: its log goes to a file, its warnings to the terminal too. */
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnOwned, stopProcess } from './processes.mjs';
import { SetupError, say } from './steps.mjs';
import { createWarnings } from './warnings.mjs';

const READY_DEADLINE_MS = 30_000;
const READY_INTERVAL_MS = 50;
const STOP_GRACE_MS = 10_000;
const LAST_LINES = 20;

/**
 * @typedef {object} Service
 * @property {() => Promise<void>} ready resolves when the process says that it can serve
 * @property {Promise<never>} died rejects when it ends without having been asked to
 * @property {() => Promise<void>} stop
 * @property {() => void} kill at once
 */

/**
 * @param {object} options
 * @param {string} options.name shown before its warnings
 * @param {{ options: string[], script: string }} options.command what Node is started with, and what it runs
 * @param {Readonly<Record<string, string>>} options.env on top of ours
 * @param {string} options.operatorUrl where its `/readyz` is
 * @param {string} options.logFile
 * @returns {Service}
 */
export function startService({ name, command, env, operatorUrl, logFile }) {
  const file = createWriteStream(logFile);
  const child = spawnOwned(process.execPath, [...command.options, command.script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  /** @type {string[]} */
  const last = [];
  const warningIn = createWarnings();
  let stopping = false;
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      file.write(`${line}\n`);
      last.push(line);
      if (last.length > LAST_LINES) last.shift();
      const warning = warningIn(line, stream === child.stderr);
      if (warning && !stopping) say(`  ${name}: ${warning}`);
    });
  }

  /** @type {Promise<never>} */
  const died = new Promise((_, reject) => {
    child.once('error', (error) => reject(new SetupError(`${name} could not be started: ${error.message}`)));
    child.once('close', (code, signal) => {
      file.end();
      if (stopping) return;
      const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
      reject(new SetupError(`${name} ${how}. Its last lines (all of them: ${logFile}):\n${last.join('\n')}`));
    });
  });
  // Who waits for it hears of it; nobody having to wait for it is no error.
  died.catch(() => undefined);

  return {
    died,
    async ready() {
      const deadline = performance.now() + READY_DEADLINE_MS;
      let answer = 'nothing';
      while (performance.now() < deadline) {
        answer = await Promise.race([probe(`${operatorUrl}/readyz`), died]);
        if (answer === '200') return;
        await Promise.race([sleep(READY_INTERVAL_MS), died]);
      }
      throw new SetupError(
        `${name} is not ready after ${READY_DEADLINE_MS / 1000} s (${operatorUrl}/readyz: ${answer}).`,
      );
    },
    stop() {
      stopping = true;
      return stopProcess(child, STOP_GRACE_MS);
    },
    kill() {
      stopping = true;
      void stopProcess(child, 0);
    },
  };
}

/** @param {string} url @returns {Promise<string>} the status, or why there is none */
async function probe(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return `${response.status}`;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}
