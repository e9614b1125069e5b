// @ts-check
/**
 * `node scripts/run.mjs bench/dist/main.js --quick`: sets up what is missing, then is that program, which is TypeScript and
 * so is there only once it is built.
 */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, setUp } from './setup.mjs';
import { explained } from './steps.mjs';

const [, , program = ''] = process.argv;
await explained(setUp());
process.argv.splice(1, 2, resolve(ROOT, program));
await import(pathToFileURL(join(ROOT, program)).href);
