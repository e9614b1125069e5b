/** How alerts leave. */
import { flag, integer, secret, text, url } from '@belfry/shared/service';

export const alertSettings = {
  ALERTS_ENABLED: flag({ text: 'Whether this publisher matches and delivers alerts', default: 'true' }),
  SMTP_URL: url({
    text: 'Mail server for alerts, smtp://user:password@host:587; empty for no e-mail',
    default: '',
    protocols: ['smtp:', 'smtps:'],
    secret: true,
  }),
  MAIL_FROM: text({ text: 'Sender of e-mail alerts', default: 'Belfry <belfry@localhost>' }),
  SMS_URL: url({
    text: 'Where SMS are posted as {"to","text","delivery_id"}; empty for no SMS',
    default: '',
    protocols: ['https:', 'http:'],
  }),
  SMS_TOKEN: secret({ text: 'Bearer token for SMS_URL', default: '' }),
  ALLOW_PRIVATE_WEBHOOKS: flag({
    text: 'Whether webhooks may go to private and loopback addresses',
    default: 'false',
  }),
  DELIVERY_TIMEOUT_MS: integer({
    text: 'How long a receiver may take to answer; a mail server that has the whole message has ten minutes',
    default: '10000',
    min: 100,
    max: 120_000,
    unit: 'ms',
  }),
  DELIVERY_RETRY_MS: integer({
    text: 'Pause before the second attempt of a delivery, of twelve, and to put digests together, of six; it doubles with each',
    default: '10000',
    min: 10,
    max: 3_600_000,
    unit: 'ms',
  }),
} as const;
