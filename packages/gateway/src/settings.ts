/** Every setting of a gateway. The README's table is written from here. */
import { hostname } from 'node:os';
import { authSettings, operatorAuthSettings } from '@belfry/shared/auth';
import { keySettings, redisSettings, retentionSettings } from '@belfry/shared/log';
import { presenceSettings } from '@belfry/shared/presence';
import { integer, logSettings, operatorSettings, textOf } from '@belfry/shared/service';
import { tracingSettings } from '@belfry/shared/tracing';
import { boardSettings } from './channels/board-settings.js';
import { sessionSettings } from './session/settings.js';
import { transportSettings } from './transport/settings.js';

export const gatewaySettings = {
  ...transportSettings,
  ...operatorSettings(9765),
  ...authSettings,
  ...redisSettings,
  ...keySettings,
  NODE_NAME: textOf(
    { pattern: /^[\w.-]{1,64}$/, allowed: 'letters, digits, "_", "-" or ".", up to 64' },
    {
      text: 'Name of this gateway; one under whose name another runs does not start',
      // With the process's id, as two on one host would not get the same: see cluster/name-claim.ts.
      default: `${hostname().slice(0, 50)}-${process.pid}`,
      defaultText: 'the host’s name and the process’s id',
    },
  ),
  ...sessionSettings,
  ...boardSettings,
  ...presenceSettings,
  ...retentionSettings,
  TAIL_BYTES: integer({
    text: 'Memory for recent events of all channels together; beyond it the oldest are read from Redis when needed',
    default: '67108864',
    min: 0,
    max: 17_179_869_184,
    unit: 'bytes',
  }),
  LINGER_SECONDS: integer({
    text: 'How long a channel stays subscribed at Redis after its last subscriber has gone',
    default: '5',
    min: 0,
    max: 3_600,
    unit: 'seconds',
  }),
  SPOT_CHECK_SECONDS: integer({
    text: 'In which time every quiet channel is compared with its log once',
    default: '60',
    min: 1,
    max: 3_600,
    unit: 'seconds',
  }),
  READINESS_GRACE_SECONDS: integer({
    text: 'How long the link to Redis may be broken before `/readyz` fails',
    default: '30',
    min: 0,
    max: 3_600,
    unit: 'seconds',
  }),
  SHUTDOWN_SECONDS: integer({
    text: 'In which time all connections are closed after SIGTERM',
    default: '90',
    min: 0,
    max: 3_600,
    unit: 'seconds',
  }),
  ...operatorAuthSettings,
  DRAIN_PER_SECOND: integer({
    text: 'How many connections are closed per second after SIGTERM; more where SHUTDOWN_SECONDS would not suffice',
    default: '200',
    min: 1,
    max: 100_000,
  }),
  ...tracingSettings,
  ...logSettings,
} as const;
