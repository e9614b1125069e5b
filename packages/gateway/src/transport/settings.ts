/** The clients' port. */
import { ConfigurationError, checkOrigins, integer, list, text, textOf } from '@belfry/shared/service';
import { readNetwork } from './address.js';

export const transportSettings = {
  WEBSOCKET_HOST: text({ text: 'Address of the clients’ port', default: '0.0.0.0' }),
  WEBSOCKET_PORT: integer({ text: 'Clients’ port; 0 takes a free one', default: '8765', min: 0, max: 65_535 }),
  TLS_CERT_FILE: text({
    text: 'PEM file with the certificate (and its chain) of the clients’ port; empty where a proxy ends TLS. Read at start',
    default: '',
  }),
  TLS_KEY_FILE: text({ text: 'PEM file with the key of TLS_CERT_FILE', default: '' }),
  MAX_CONNECTIONS: integer({
    text: 'Connections on this gateway; beyond it, upgrades are refused with 503 and Retry-After',
    default: '10000',
    min: 1,
    max: 1_000_000,
  }),
  MAX_CONNECTIONS_PER_IP: integer({
    text: 'Connections per client address, of IPv6 per /64 network; beyond it, upgrades are refused with 429',
    default: '10000',
    min: 1,
    max: 1_000_000,
  }),
  ALLOWED_ORIGINS: list({
    text: 'Browser origins that may connect, as https://dashboard.example; `*` allows all, which is safe as long as pages must bring a token themselves (see AUTH_COOKIE); clients that send no Origin are no browsers, and may always',
    default: '*',
    check: checkOrigins,
  }),
  AUTH_COOKIE: textOf(
    { pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/, allowed: 'the name of a cookie' },
    {
      text: 'Name of a cookie that may hold the token, for dashboards of the same site; needs ALLOWED_ORIGINS without `*`',
      default: '',
    },
  ),
  TRUSTED_PROXIES: list({
    text: 'Addresses of proxies, or their networks as 10.0.0.0/8, whose X-Forwarded-For is believed (its right-most entry that is not one of them)',
    default: '',
    check: (networks) => {
      try {
        networks.map(readNetwork);
      } catch (error) {
        return (error as Error).message;
      }
      return undefined;
    },
  }),
  MAX_MESSAGE_BYTES: integer({
    text: 'Longest frame of a client',
    default: '16384',
    min: 1_024,
    max: 1_048_576,
    unit: 'bytes',
  }),
  MAX_BACKPRESSURE_BYTES: integer({
    text: 'Bytes that may wait for a slow client before it is cut off with 4201; the kernel holds up to some 4 MB besides',
    default: '262144',
    min: 65_536,
    max: 67_108_864,
    unit: 'bytes',
  }),
} as const;

/**
 * Browsers send a cookie whichever page makes them: only a list of origins keeps foreign pages out.
 * @throws ConfigurationError where a cookie authenticates and any page may connect
 */
export function checkTransportSettings(values: {
  readonly AUTH_COOKIE: string;
  readonly ALLOWED_ORIGINS: readonly string[];
}): void {
  if (values.AUTH_COOKIE === '') return;
  if (values.ALLOWED_ORIGINS.length > 0 && !values.ALLOWED_ORIGINS.includes('*')) return;
  throw new ConfigurationError(
    `AUTH_COOKIE=${JSON.stringify(values.AUTH_COOKIE)} needs ALLOWED_ORIGINS to name the dashboard's origins, as https://dashboard.example, without "*"`,
  );
}
