// @ts-check
/**
 * How a service is started: as the `start` script of its package says, `node <options> dist/main.js`. Its image has the
 * same options.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './setup.mjs';

/**
 * @param {'gateway' | 'publisher'} service
 * @returns {{ options: string[], script: string }} what Node is started with, and the whole path of what it runs
 */
export function serviceCommand(service) {
  const folder = join(ROOT, 'packages', service);
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const [, ...options] = scripts.start.split(' ');
  return { options, script: join(folder, options.pop()) };
}
