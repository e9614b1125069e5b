/** Portfolios, wired: kept over HTTP, counted for who is connected. */
import { type AccessPolicy, createVerifier } from '@belfry/shared/auth';
import type { Connection } from '@belfry/shared/log';
import { createAccessStore } from '@belfry/shared/preferences';
import { createPresenceReader } from '@belfry/shared/presence';
import { type Clock, createBudgets, type Logger, type Registry, type SettingValues } from '@belfry/shared/service';
import type { Route } from '../http/server.js';
import type { IntakeDoor } from '../intake/door.js';
import { createWatchList } from '../sources/watch-list.js';
import { createIdentify } from '../users/identify.js';
import { createRevocationCheck } from '../users/revocation-check.js';
import { createCounter } from './counter.js';
import { portfolioKeys } from './keys.js';
import { createKpiMetrics } from './metrics.js';
import { portfolioRoutes } from './routes.js';
import type { portfolioSettings } from './settings.js';
import { createPortfolioStore } from './store.js';
import { startUpdates } from './updates.js';

export interface PortfoliosOptions {
  readonly settings: SettingValues<typeof portfolioSettings>;
  /** That users' tokens may be signed with, the current one first; read for every token. */
  readonly secrets: () => readonly string[];
  readonly connection: Connection;
  readonly prefix: string;
  /** Unique among publishers. */
  readonly name: string;
  readonly leaseMs: number;
  readonly door: IntakeDoor;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface Portfolios {
  /** None where tokens of users cannot be verified. */
  readonly routes: readonly Route[];
  close(): Promise<void>;
}

export function startPortfolios(options: PortfoliosOptions): Portfolios {
  const { clock, connection, logger, prefix, settings } = options;
  const keys = portfolioKeys(prefix);
  const store = createPortfolioStore({
    connection,
    keys,
    watchList: createWatchList(connection, prefix, clock.now),
    clock,
  });
  const access = createAccessStore({ connection, prefix, clock });
  const counter = createCounter({ connection, prefix, keys, clock });
  const updates = settings.KPIS_ENABLED
    ? startUpdates({
        ...options,
        keys,
        store,
        access,
        counter,
        presence: createPresenceReader({ connection, prefix }),
        metrics: createKpiMetrics(options.registry),
      })
    : undefined;
  const verifies = options.secrets().length > 0 || settings.JWT_JWKS_URL !== '';
  const verify = createVerifier({
    secrets: options.secrets,
    keySetUrl: settings.JWT_JWKS_URL,
    algorithms: settings.JWT_ALGORITHMS,
    issuer: settings.JWT_ISSUER || undefined,
    audience: settings.JWT_AUDIENCE || undefined,
    clock,
    logger,
  });
  const accessPolicy: AccessPolicy = { properties: settings.ACCESS_POLICY, boardReaders: new Map() };
  const identify = createIdentify({
    verify,
    isRevoked: createRevocationCheck({ connection, prefix }),
    requests: createBudgets({ burst: settings.RATE_LIMIT_REQUESTS, windowMs: 60_000 }, () => performance.now()),
  });
  return {
    routes: verifies
      ? portfolioRoutes({
          identify,
          accessPolicy,
          access,
          store,
          counter,
          maxProperties: settings.PORTFOLIO_MAX_PROPERTIES,
        })
      : [],
    close: async () => updates?.close(),
  };
}
