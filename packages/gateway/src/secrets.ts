/** The secrets that tokens are signed with, followed while they are rotated. */
import { authSettings, checkSecrets, operatorAuthSettings } from '@belfry/shared/auth';
import { type Clock, type Logger, type SettingValues, watchSecretFiles } from '@belfry/shared/service';

const followed = {
  JWT_SECRET: authSettings.JWT_SECRET,
  JWT_PREVIOUS_SECRET: authSettings.JWT_PREVIOUS_SECRET,
  ...operatorAuthSettings,
};
type Secrets = SettingValues<typeof followed>;

export interface FollowedSecrets {
  /** For clients' tokens: the current one first. */
  clients(): readonly string[];
  /** For operators' tokens; the clients' where there is none of their own. */
  operators(): readonly string[];
  stop(): void;
}

export function followSecrets(
  initial: Secrets,
  parts: {
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly clock: Clock;
    readonly logger: Logger;
  },
): FollowedSecrets {
  let current: Secrets = initial;
  const clients = (): string[] => [current.JWT_SECRET, current.JWT_PREVIOUS_SECRET].filter((secret) => secret !== '');
  const stop = watchSecretFiles({
    ...parts,
    settings: followed,
    onChange: (values) => {
      // With an issuer's keys (JWKS) there is none to begin with; one that was there must not become empty.
      if (values.JWT_SECRET === '' && initial.JWT_SECRET !== '') throw new Error('JWT_SECRET is empty');
      checkSecrets(values, parts.environment.NODE_ENV);
      current = values;
    },
  });
  return { clients, operators: () => (current.OPERATOR_SECRET ? [current.OPERATOR_SECRET] : clients()), stop };
}
