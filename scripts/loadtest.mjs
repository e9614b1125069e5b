// @ts-check
/**
 * `npm run loadtest -- fanout --connections 10000`: sets up what is missing, then hands over to `loadtest/run`, which is
 * TypeScript and so is there only once it is built.
 */
import { ROOT, setUp } from './setup.mjs';
import { Interrupted, report } from './steps.mjs';
import { watchStopRequests } from './stop-request.mjs';

const { signal } = watchStopRequests(() => process.exit(130));
try {
  await setUp(signal);
  const { runLoadTest } = await import(`${ROOT}/loadtest/dist/run/main.js`);
  process.exitCode = await runLoadTest(process.argv.slice(2), process.env, signal);
} catch (error) {
  report(error);
  process.exitCode = error instanceof Interrupted ? 130 : 1;
}
