/** `npm run bench:report`: the tables and charts of docs/performance.md, from the raw results that are there. */
import { fileURLToPath } from 'node:url';
import { writeDocument } from './document.js';

writeDocument(fileURLToPath(new URL('../../../docs/', import.meta.url)));
