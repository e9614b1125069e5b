/** Every setting of the canary. */
import { authSettings } from '@belfry/shared/auth';
import { integer, logSettings, operatorSettings, secret, text, url } from '@belfry/shared/service';

export const canarySettings = {
  GATEWAY_URL: url({
    text: 'Where clients connect; a name with several addresses (a headless Service) means a connection to each of them',
    default: 'ws://127.0.0.1:8765/ws',
    protocols: ['ws:', 'wss:'],
  }),
  PUBLISHER_URL: url({
    text: 'Where events are published',
    default: 'http://127.0.0.1:8770',
    protocols: ['http:', 'https:'],
  }),
  PUBLISHER_TOKEN: secret({ text: 'Bearer token that the publisher asks for', default: '' }),
  CANARY_TOKEN: secret({
    text: 'Token that the canary signs in with; where empty it signs one of its own with JWT_SECRET',
    default: '',
  }),
  JWT_SECRET: authSettings.JWT_SECRET,
  JWT_ISSUER: authSettings.JWT_ISSUER,
  JWT_AUDIENCE: authSettings.JWT_AUDIENCE,
  CANARY_NAME: text({
    text: 'User that the canary signs in as; it reads the channel `user:<name>` and no other',
    default: 'belfry-canary',
    check: (name) => (/^[A-Za-z0-9_-]{1,64}$/.test(name) ? undefined : 'must be 1 to 64 letters, digits, "_" or "-"'),
  }),
  INTERVAL_MS: integer({
    text: 'Time between two events',
    default: '1000',
    min: 10,
    max: 60_000,
    unit: 'milliseconds',
  }),
  LOST_AFTER_MS: integer({
    text: 'An event that a connected listener has not got by then, and was not told of, is lost',
    default: '10000',
    min: 100,
    max: 300_000,
    unit: 'milliseconds',
  }),
  RESOLVE_SECONDS: integer({
    text: 'How often the addresses behind GATEWAY_URL are looked up',
    default: '5',
    min: 1,
    max: 300,
    unit: 'seconds',
  }),
  ...operatorSettings(9775),
  ...logSettings,
} as const;
