// @ts-check
/**
 * What of a process's log a person in front of a terminal should see: what goes wrong, the same thing once and not at each
 * of its attempts, and that it is over.
 */
const SHOWN_LEVELS = new Set(['warn', 'error', 'fatal']);
/** By what is said when it is over: it concerns only whom the trouble was shown to. */
const RECOVERIES = new Map([
  ['link synced', 'link down'],
  ['queue has Redis again', 'queue lost Redis'],
]);
const SILENT_MS = 30_000;
/** Of different texts that are remembered: some name what never comes again. */
const MOST_KNOWN = 200;

/**
 * @param {() => number} [now] milliseconds
 * @returns {(line: string, plainCounts: boolean) => string | undefined} what to show of a line, if anything;
 *   `plainCounts`: whether a line that is no log line (a crash's stack) is shown
 */
export function createWarnings(now = () => performance.now()) {
  /** What was shown, when, and how often it was kept back since. @type {Map<string, { at: number, times: number }>} */
  const known = new Map();
  /** Messages that were shown and are not over. @type {Set<string>} */
  const troubles = new Set();

  const once = (/** @type {string} */ text) => {
    const before = known.get(text);
    if (before && now() - before.at < SILENT_MS) {
      before.times += 1;
      return undefined;
    }
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, { at: now(), times: 0 });
    return before?.times ? `${text} (${before.times} times more since it was last said)` : text;
  };

  return (line, plainCounts) => {
    const plain = plainCounts ? line : undefined;
    if (!line.startsWith('{')) return plain;
    try {
      const { level, msg, err, reason } = JSON.parse(line);
      const trouble = RECOVERIES.get(msg);
      if (trouble !== undefined && troubles.delete(trouble)) {
        // What was said is told again at once if it happens again.
        known.clear();
        return msg;
      }
      if (!SHOWN_LEVELS.has(level)) return undefined;
      troubles.add(msg);
      const why = err?.message ?? reason;
      return once(why ? `${msg}: ${why}` : String(msg));
    } catch {
      return plain;
    }
  };
}
