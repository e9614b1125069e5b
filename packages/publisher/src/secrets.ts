/** The secrets that callers' tokens are, or are signed with, followed while they are rotated. */
import { type Clock, type Logger, type SettingValues, watchSecretFiles } from '@belfry/shared/service';
import { checkPublisherSecrets, publisherSettings } from './settings.js';

const followed = {
  PUBLISHER_TOKEN: publisherSettings.PUBLISHER_TOKEN,
  PUBLISHER_PREVIOUS_TOKEN: publisherSettings.PUBLISHER_PREVIOUS_TOKEN,
  OPERATOR_SECRET: publisherSettings.OPERATOR_SECRET,
  JWT_SECRET: publisherSettings.JWT_SECRET,
  JWT_PREVIOUS_SECRET: publisherSettings.JWT_PREVIOUS_SECRET,
};
type Secrets = SettingValues<typeof followed>;

export interface PublisherSecrets {
  /** What services show: the current one first; none where anybody may report. */
  services(): readonly string[];
  /** For users' tokens: the current one first. */
  users(): readonly string[];
  /** For operators' tokens; the users' where there is none of their own. */
  operators(): readonly string[];
  stop(): void;
}

export function followPublisherSecrets(
  initial: Secrets,
  parts: {
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly clock: Clock;
    readonly logger: Logger;
  },
): PublisherSecrets {
  let current: Secrets = initial;
  const given = (...secrets: readonly string[]): string[] => secrets.filter((secret) => secret !== '');
  const users = (): string[] => given(current.JWT_SECRET, current.JWT_PREVIOUS_SECRET);
  const stop = watchSecretFiles({
    ...parts,
    settings: followed,
    onChange: (values) => {
      checkPublisherSecrets(values, parts.environment.NODE_ENV);
      // What was taken away by mistake must not open the door to everybody.
      if (values.PUBLISHER_TOKEN === '' && current.PUBLISHER_TOKEN !== '') throw new Error('PUBLISHER_TOKEN is empty');
      current = values;
    },
  });
  return {
    // The one before is no use without a current one: then anybody may report.
    services: () =>
      current.PUBLISHER_TOKEN === '' ? [] : given(current.PUBLISHER_TOKEN, current.PUBLISHER_PREVIOUS_TOKEN),
    users,
    operators: () => (current.OPERATOR_SECRET === '' ? users() : [current.OPERATOR_SECRET]),
    stop,
  };
}
