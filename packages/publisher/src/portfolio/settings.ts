/** What can be set about portfolios, and about the users who write theirs. */
import { authSettings } from '@belfry/shared/auth';
import { checkOrigins, flag, integer, list } from '@belfry/shared/service';

const { BOARD_READERS: _, JWT_SECRET: __, ...tokenSettings } = authSettings;

export const portfolioSettings = {
  ...tokenSettings,
  ALLOWED_ORIGINS: list({
    text: 'Browser origins that may read and write portfolios, as https://dashboard.example; `*` allows all',
    default: '*',
    check: checkOrigins,
  }),
  KPIS_ENABLED: flag({
    text: 'Whether this publisher counts portfolios for the users who are connected, and sends them `kpi:update`',
    default: 'true',
  }),
  RATE_LIMIT_REQUESTS: integer({
    text: 'HTTP requests of a user on a publisher per minute; to write a portfolio, or to have it counted, costs as much as ten',
    default: '3000',
    min: 10,
    max: 1_000_000_000,
  }),
  PORTFOLIO_MAX_PROPERTIES: integer({
    text: 'Properties that one portfolio may have',
    default: '1000',
    min: 1,
    max: 10_000,
  }),
} as const;
