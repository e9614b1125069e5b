// @ts-check
/** `npm run build`: installs and builds what is missing, and nothing else. */
import { readCommandLine } from './command-line.mjs';
import { setUp } from './setup.mjs';
import { Interrupted, report } from './steps.mjs';
import { watchStopRequests } from './stop-request.mjs';

readCommandLine({ options: {} }, 'npm run build');
const { signal } = watchStopRequests(() => process.exit(130));
try {
  await setUp(signal);
} catch (error) {
  report(error);
  process.exitCode = error instanceof Interrupted ? 130 : 1;
}
