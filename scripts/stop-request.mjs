// @ts-check
/** Who wants us to stop: Ctrl-C, SIGTERM, a closed terminal, or a parent that is gone. */

/** npm passes on the SIGINT that the terminal has sent to us already: two within this time are one Ctrl-C. */
const SAME_PRESS_MS = 500;
const PARENT_INTERVAL_MS = 500;

/**
 * @param {() => void} force called when somebody asks a second time
 * @returns {{ signal: AbortSignal, requested: Promise<void> }} aborted, and resolved, by the first request
 */
export function watchStopRequests(force) {
  const controller = new AbortController();
  let first = 0;
  const ask = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
    } else if (performance.now() - first > SAME_PRESS_MS) {
      force();
    }
  };
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(name, ask);

  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    ask();
  }, PARENT_INTERVAL_MS);
  timer.unref();
  // The terminal may be gone before us: what we say then reaches nobody, which is no reason to stop stopping.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

  return {
    signal: controller.signal,
    requested: new Promise((resolve) => controller.signal.addEventListener('abort', () => resolve(), { once: true })),
  };
}
