/**
 * What is known of properties, once per client however many components show them: the last event of each violation type,
 * kept true through snapshots, live events, replays and polling.
 */
import type { Client } from '../api.js';
import type { Disposer } from '../clock.js';
import type { BelfryError } from '../errors.js';
import type { EventMessage, ViolationUpdate } from '../index.js';
import { createStore, type Store } from './store.js';

/** Long enough for a page to be exchanged for another one that shows the same property. */
const LINGER_MS = 1_000;

export interface PropertyView {
  readonly propertyId: string;
  /** `joining`: nothing is known yet. `ready`: what is shown is known, if perhaps stale. `refused`: see `error`. */
  readonly phase: 'joining' | 'ready' | 'refused';
  /** The last event of each violation type. */
  readonly violations: Readonly<Record<string, ViolationUpdate>>;
  /** Open violations of all types. */
  readonly open: number;
  /** The last event that happened while we listened or were away, of whatever type. */
  readonly latest: EventMessage | undefined;
  /** When the newest of these events happened, in seconds since 1970. */
  readonly updatedAt: number | undefined;
  readonly error: BelfryError | undefined;
}

export const unknownProperty = (propertyId: string): PropertyView => ({
  propertyId,
  phase: 'joining',
  violations: {},
  open: 0,
  latest: undefined,
  updatedAt: undefined,
  error: undefined,
});

export interface Properties {
  subscribe(propertyId: string, changed: () => void): Disposer;
  /** Undefined where nobody listens to it. */
  get(propertyId: string): PropertyView | undefined;
}

const known = new WeakMap<Client, Properties>();

/** The client's one store of properties. */
export function propertiesOf(client: Client): Properties {
  const properties = known.get(client) ?? createProperties(client);
  known.set(client, properties);
  return properties;
}

function createProperties(client: Client): Properties {
  const stores = new Map<string, Store<PropertyView>>();

  return {
    subscribe: (propertyId, changed) => {
      const store = stores.get(propertyId) ?? openProperty(client, propertyId, () => stores.delete(propertyId));
      stores.set(propertyId, store);
      return store.subscribe(changed);
    },
    get: (propertyId) => stores.get(propertyId)?.get(),
  };
}

const isViolation = (event: EventMessage): event is ViolationUpdate =>
  event.type === 'VIOLATION_UPDATE' && typeof event.violation_type === 'string';

function openProperty(client: Client, propertyId: string, closed: () => void): Store<PropertyView> {
  const violations = new Map<string, ViolationUpdate>();
  let phase: PropertyView['phase'] = 'joining';
  let latest: EventMessage | undefined;
  let error: BelfryError | undefined;

  function draw(): PropertyView {
    const shown = [...violations.values()];
    const times = [...shown, latest].flatMap((event) => event?.timestamp ?? []);
    return {
      propertyId,
      phase,
      violations: Object.fromEntries(violations),
      open: shown.reduce((sum, { count }) => sum + (Number(count) || 0), 0),
      latest,
      updatedAt: times.length > 0 ? Math.max(...times) : undefined,
      error,
    };
  }

  const store = createStore(
    draw,
    () => {
      const leave = client.subscribe(propertyId, {
        onState: ({ events }) => {
          violations.clear();
          for (const event of events) if (isViolation(event)) violations.set(event.violation_type, event);
          phase = 'ready';
          store.touch();
        },
        onEvent: (event, { covered }) => {
          latest = event;
          if (!covered && isViolation(event)) violations.set(event.violation_type, event);
          store.touch();
        },
        onError: (refusal) => {
          error = refusal;
          phase = 'refused';
          store.touch();
        },
        onLive: () => {
          error = undefined;
          phase = 'ready';
          store.touch();
        },
      });
      return () => {
        leave();
        closed();
      };
    },
    LINGER_MS,
  );
  return store;
}
