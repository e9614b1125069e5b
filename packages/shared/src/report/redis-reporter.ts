/**
 * Reports through Redis: entries of the intake stream. Shorter by one hop than HTTP, and without its checks: what is wrong
 * with a report is found when it is worked off, and kept among the dead letters.
 */
import { DEFAULT_KEY_PREFIX, intakeKey, partKey } from '../log/index.js';
import { type Attempt, type Patience, ReportRefused } from './door.js';
import { type Reporter, reporterThrough } from './reporter.js';

/** What is needed of a client of Redis: ioredis has it. */
export interface StreamWriter {
  xadd(key: string, id: '*', ...fieldsAndValues: string[]): Promise<string | null>;
}

export interface RedisReporterOptions extends Patience {
  readonly redis: StreamWriter;
  /** `KEY_PREFIX` of the installation. Default: `belfry`. */
  readonly prefix?: string;
}

/** Of one entry: an entry is applied whole, and must not bring a channel more than its log holds. */
const ITEMS_PER_ENTRY = 50;

export function createRedisReporter(options: RedisReporterOptions): Reporter {
  const stream = intakeKey(options.prefix ?? DEFAULT_KEY_PREFIX);
  const attempt: Attempt = async (kind, items, key) => {
    if (items.length === 0) throw new ReportRefused('bad_request', 'the list is empty');
    const ids: string[] = [];
    // One after the other: should one fail, those behind it must not have come before it.
    for (let start = 0; start < items.length; start += ITEMS_PER_ENTRY) {
      const part = items.slice(start, start + ITEMS_PER_ENTRY);
      const entryKey = items.length > ITEMS_PER_ENTRY ? partKey(key, start) : key;
      const body = JSON.stringify(part.length === 1 ? part[0] : part);
      ids.push(String(await options.redis.xadd(stream, '*', kind, body, 'key', entryKey)));
    }
    return ids;
  };
  return reporterThrough(attempt, options);
}
