/**
 * Secrets that are rotated while the process runs. A secret given by `NAME_FILE` is read again every few seconds: the
 * files of a mounted Kubernetes Secret are replaced behind a symbolic link, which no file watcher reports reliably.
 */
import type { Clock } from './clock.js';
import type { Logger } from './logger.js';
import { readSettings, type Settings, type SettingValues } from './settings.js';

export interface SecretFilesOptions<S extends Settings> {
  /** The secrets to follow, declared as for `readSettings`; those that are not given by a file never change. */
  readonly settings: S;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds between two readings. Default 10,000: a kubelet takes up to two minutes anyway. */
  readonly intervalMs?: number;
  /**
   * Called with all values when any of them has changed. What it throws means that the new values are not taken: the
   * reason is logged once, and they are offered again until they are taken or replaced.
   */
  readonly onChange: (values: SettingValues<S>) => void;
}

const DEFAULT_INTERVAL_MS = 10_000;

/**
 * Follows secret files. A file that is missing, empty or unfit changes nothing: the process goes on with what it has.
 * @returns its disposer
 * @throws ConfigurationError when a file cannot be read at the start
 */
export function watchSecretFiles<S extends Settings>(options: SecretFilesOptions<S>): () => void {
  const { environment, logger, settings } = options;
  const files = Object.keys(settings).filter((name) => environment[`${name}_FILE`] && !environment[name]);
  if (files.length === 0) return () => undefined;
  let current = JSON.stringify(readSettings(settings, environment));
  let complaint = '';

  function read(): void {
    try {
      const values = readSettings(settings, environment);
      const text = JSON.stringify(values);
      if (text !== current) {
        options.onChange(values);
        current = text;
        logger.info({ secrets: files }, 'secrets were replaced');
      }
      complaint = '';
    } catch (error) {
      const message = (error as Error).message;
      if (message !== complaint) {
        logger.error({ err: error, secrets: files }, 'new secrets are not fit for use; the old ones stay');
      }
      complaint = message;
    }
  }

  return options.clock.every(options.intervalMs ?? DEFAULT_INTERVAL_MS, read);
}
