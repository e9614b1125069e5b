/** How alerts leave. */
import { flag, integer, secret, text } from '@belfry/shared/service';

const isUrl = (protocols: readonly string[]) => (value: string) =>
  value === '' || (URL.canParse(value) && protocols.includes(new URL(value).protocol))
    ? undefined
    : `must be ${protocols.map((protocol) => `${protocol}//…`).join(' or ')}`;

export const alertSettings = {
  ALERTS_ENABLED: flag({ text: 'Whether this publisher matches and delivers alerts', default: 'true' }),
  SMTP_URL: secret({
    text: 'Mail server for alerts, smtp://user:password@host:587; empty for no e-mail',
    default: '',
    check: isUrl(['smtp:', 'smtps:']),
  }),
  MAIL_FROM: text({ text: 'Sender of e-mail alerts', default: 'Belfry <belfry@localhost>' }),
  SMS_URL: text({
    text: 'Where SMS are posted as {"to","text","delivery_id"}; empty for no SMS',
    default: '',
    check: isUrl(['http:', 'https:']),
  }),
  SMS_TOKEN: secret({ text: 'Bearer token for SMS_URL', default: '' }),
  ALLOW_PRIVATE_WEBHOOKS: flag({
    text: 'Whether webhooks may go to private and loopback addresses',
    default: 'false',
  }),
  DELIVERY_TIMEOUT_MS: integer({
    text: 'How long a receiver may take to answer',
    default: '10000',
    min: 100,
    max: 120_000,
    unit: 'ms',
  }),
  DELIVERY_RETRY_MS: integer({
    text: 'Pause before the second attempt of a delivery; it doubles with each, twelve in all',
    default: '10000',
    min: 10,
    max: 3_600_000,
    unit: 'ms',
  }),
} as const;
