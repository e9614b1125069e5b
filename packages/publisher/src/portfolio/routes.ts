/** `GET` and `PUT /v1/portfolio`, `GET /v1/kpis`: by the user's own token. */
import { type AccessPolicy, authorise, type Identity, readableProperties } from '@belfry/shared/auth';
import type { AccessStore } from '@belfry/shared/preferences';
import { isChannelId, propertyChannel } from '@belfry/shared/protocol';
import { HttpError, type Route } from '../http/server.js';
import type { Identify } from '../users/identify.js';
import type { Counter } from './counter.js';
import { type Portfolio, PortfolioBusy, type PortfolioStore } from './store.js';

export interface PortfolioRoutesOptions {
  readonly identify: Identify;
  readonly accessPolicy: AccessPolicy;
  readonly access: Pick<AccessStore, 'follow'>;
  readonly store: PortfolioStore;
  readonly counter: Counter;
  readonly maxProperties: number;
}

/** Of what a user may ask: each reads all of a portfolio's properties. */
const COST_OF_WORK = 10;
const NO_PORTFOLIO: Portfolio = { properties: [], updated_at: 0 };

export function portfolioRoutes(options: PortfolioRoutesOptions): Route[] {
  const { access, accessPolicy, counter, identify, maxProperties, store } = options;
  /** Counts that are under way: who asks ten times at once is counted once. */
  const counting = new Map<string, ReturnType<Counter['countAnew']>>();

  const mayRead = (identity: Identity, property: string): boolean =>
    authorise(identity, 'read', { kind: 'property', id: property, channel: propertyChannel(property) }, accessPolicy);

  function count(userId: string, properties: readonly string[]) {
    const running = counting.get(userId);
    if (running) return running;
    const started = counter.countAnew(properties).finally(() => counting.delete(userId));
    counting.set(userId, started);
    return started;
  }

  function propertiesIn(body: unknown, identity: Identity): readonly string[] {
    const { properties } = (typeof body === 'object' && body !== null ? body : {}) as { properties?: unknown };
    if (!Array.isArray(properties)) throw new HttpError('bad_request', 'properties: must be a list of property ids.');
    if (properties.length > maxProperties) {
      throw new HttpError('bad_request', `properties: a portfolio must not have more than ${maxProperties}.`);
    }
    return properties.map((property: unknown, index) => {
      if (!isChannelId(property)) {
        throw new HttpError('bad_request', 'A property id has 1 to 64 letters, digits, "_" or "-".', { index });
      }
      if (mayRead(identity, property)) return property;
      throw new HttpError('forbidden', `Your token does not allow the property ${property}.`, { index });
    });
  }

  return [
    {
      method: 'GET',
      path: '/v1/portfolio',
      caller: 'user',
      handle: async (request) => {
        const { userId } = await identify(request);
        return { status: 200, body: (await store.read(userId)) ?? NO_PORTFOLIO };
      },
    },
    {
      method: 'PUT',
      path: '/v1/portfolio',
      caller: 'user',
      handle: async (request) => {
        const identity = await identify(request, COST_OF_WORK);
        const properties = propertiesIn(await request.json(), identity);
        await access.follow({ ...identity, readable: () => readableProperties(identity, accessPolicy) });
        try {
          return { status: 200, body: await store.write(identity.userId, properties) };
        } catch (error) {
          if (error instanceof PortfolioBusy) throw new HttpError('unavailable', `${error.message}; send it again.`);
          throw error;
        }
      },
    },
    {
      method: 'GET',
      path: '/v1/kpis',
      caller: 'user',
      handle: async (request) => {
        const identity = await identify(request, COST_OF_WORK);
        const { properties } = (await store.read(identity.userId)) ?? NO_PORTFOLIO;
        // A token that is narrower than the portfolio does not widen by it.
        const allowed = properties.filter((property) => mayRead(identity, property));
        const whole = allowed.length === properties.length;
        return { status: 200, body: await (whole ? count(identity.userId, properties) : counter.countAnew(allowed)) };
      },
    },
  ];
}
