/** `npm run bench:report`: the tables and charts of docs/performance.md, from the raw results that are there. */
import { fileURLToPath } from 'node:url';
import { readCommandLine } from '@belfry/testkit/command-line';
import { writeDocument } from './document.js';

readCommandLine(
  { options: {} },
  'npm run bench:report\n\nWrites the tables and charts of docs/performance.md from the results in docs/performance.',
);
writeDocument(fileURLToPath(new URL('../../../docs/', import.meta.url)));
