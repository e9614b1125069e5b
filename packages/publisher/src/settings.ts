/** Everything of the publisher that can be set from the environment. The table in the README is written from here. */

import { authSettings, checkSecrets, operatorAuthSettings } from '@belfry/shared/auth';
import { keySettings, redisSettings, retentionSettings } from '@belfry/shared/log';
import { ConfigurationError, integer, logSettings, operatorSettings, secret, text } from '@belfry/shared/service';
import { tracingSettings } from '@belfry/shared/tracing';
import { alertSettings } from './alerts/settings.js';
import { portfolioSettings } from './portfolio/settings.js';
import { sourceSettings } from './sources/index.js';

export const publisherSettings = {
  HTTP_HOST: text({ text: 'Address of the door for changes and events', default: '0.0.0.0' }),
  HTTP_PORT: integer({
    text: 'Port of the door for changes and events; 0 takes a free one',
    default: '8770',
    min: 0,
    max: 65_535,
  }),
  PUBLISHER_TOKEN: secret({
    text: 'Bearer token that services show; without one anybody who reaches the port may report',
    default: '',
    allowed: 'text; at least 32 characters, and required, in production',
  }),
  PUBLISHER_PREVIOUS_TOKEN: secret({
    text: 'The token before the current one, accepted while services change theirs',
    default: '',
    allowed: 'text; at least 32 characters in production',
  }),
  ...redisSettings,
  ...keySettings,
  ...retentionSettings,
  RATE_LIMIT_BROADCASTS: integer({
    text: 'Events to `global` or a role that services may report to a publisher by HTTP per minute, all at once if they like; beyond it 429 with Retry-After. Changes of properties are none of them',
    default: '1200',
    min: 1,
    max: 1_000_000_000,
  }),
  INTAKE_SHARES: integer({
    text: 'Shares that the intake is cut into, for publishers to divide; the same on all of them',
    default: '8',
    min: 1,
    max: 256,
  }),
  INTAKE_LEASE_MS: integer({
    text: 'How long a publisher that died keeps its shares',
    default: '4000',
    min: 500,
    max: 60_000,
    unit: 'milliseconds',
  }),
  INTAKE_BATCH: integer({
    text: 'Entries of one share that are worked on at once',
    default: '64',
    min: 1,
    max: 10_000,
  }),
  INTAKE_REWIND_SECONDS: integer({
    text: 'How far back the intake is read again when Redis restarted or failed over',
    default: '300',
    min: 10,
    max: 86_400,
    unit: 'seconds',
  }),
  INTAKE_RETENTION_SECONDS: integer({
    text: 'How long intake entries are kept after they were worked off; must reach over the rewind, and not beyond LOG_TTL_SECONDS',
    default: '3600',
    min: 0,
    max: 604_800,
    unit: 'seconds',
  }),
  INTAKE_MAX_ENTRIES: integer({
    text: 'With more intake entries than this the retention is shortened in proportion, down to the rewind',
    default: '2000000',
    min: 1_000,
    max: 1_000_000_000,
  }),
  INTAKE_DEAD_MAX: integer({ text: 'Dead letters kept', default: '10000', min: 1, max: 10_000_000 }),
  INTAKE_WAIT_REPLICAS: integer({
    text: 'Replicas that must hold a change before it is accepted (WAIT); 0 asks for none',
    default: '0',
    min: 0,
    max: 16,
  }),
  INTAKE_WAIT_MS: integer({
    text: 'How long to wait for those replicas before the answer is 503',
    default: '500',
    min: 1,
    max: 60_000,
    unit: 'milliseconds',
  }),
  HTTP_REDIS_WAIT_MS: integer({
    text: 'How long a request waits for Redis before the answer is 503',
    default: '2000',
    min: 100,
    max: 60_000,
    unit: 'milliseconds',
  }),
  READY_GRACE_MS: integer({
    text: 'How long Redis may be away before the publisher says that it is not ready',
    default: '10000',
    min: 0,
    max: 600_000,
    unit: 'milliseconds',
  }),
  SHUTDOWN_DEADLINE_MS: integer({
    text: 'How long an orderly end may take',
    default: '30000',
    min: 1_000,
    max: 600_000,
    unit: 'milliseconds',
  }),
  ...sourceSettings,
  ...alertSettings,
  ...portfolioSettings,
  ...operatorSettings(9770),
  ...operatorAuthSettings,
  JWT_SECRET: secret({
    text: 'Secret that clients’ tokens (HS256) are signed with, for portfolios; and operators’ where OPERATOR_SECRET is empty',
    default: '',
    allowed: authSettings.JWT_SECRET.allowed,
  }),
  ...tracingSettings,
  ...logSettings,
} as const;

interface Secrets {
  readonly PUBLISHER_TOKEN: string;
  readonly PUBLISHER_PREVIOUS_TOKEN: string;
  readonly OPERATOR_SECRET: string;
  readonly JWT_SECRET: string;
  readonly JWT_PREVIOUS_SECRET: string;
}

/** @throws ConfigurationError when the process runs in production without a token, or with a secret that can be guessed */
export function checkPublisherSecrets(values: Secrets, nodeEnvironment: string | undefined): void {
  const { PUBLISHER_TOKEN, PUBLISHER_PREVIOUS_TOKEN, OPERATOR_SECRET, JWT_SECRET, JWT_PREVIOUS_SECRET } = values;
  if (nodeEnvironment === 'production' && PUBLISHER_TOKEN === '') {
    throw new ConfigurationError('PUBLISHER_TOKEN is not set; in production services need one to report');
  }
  checkSecrets(
    { PUBLISHER_TOKEN, PUBLISHER_PREVIOUS_TOKEN, OPERATOR_SECRET, JWT_SECRET, JWT_PREVIOUS_SECRET },
    nodeEnvironment,
  );
}

/** @throws ConfigurationError for values that are allowed each by itself but not together */
export function checkPublisherSettings(
  values: Secrets & {
    readonly INTAKE_REWIND_SECONDS: number;
    readonly INTAKE_RETENTION_SECONDS: number;
    readonly LOG_TTL_SECONDS: number;
  },
  nodeEnvironment: string | undefined,
): void {
  checkPublisherSecrets(values, nodeEnvironment);
  if (values.INTAKE_RETENTION_SECONDS < values.INTAKE_REWIND_SECONDS) {
    throw new ConfigurationError(
      `INTAKE_RETENTION_SECONDS=${values.INTAKE_RETENTION_SECONDS} must not be less than INTAKE_REWIND_SECONDS=${values.INTAKE_REWIND_SECONDS}`,
    );
  }
  // What was applied is known as long as the channel's log is; what is read again after that would be applied twice.
  if (values.LOG_TTL_SECONDS < values.INTAKE_RETENTION_SECONDS) {
    throw new ConfigurationError(
      `LOG_TTL_SECONDS=${values.LOG_TTL_SECONDS} must not be less than INTAKE_RETENTION_SECONDS=${values.INTAKE_RETENTION_SECONDS}`,
    );
  }
}
