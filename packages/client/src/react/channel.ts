/** One channel in a component: its last events, its snapshot where that is wanted, and how the subscription stands. */
import { useMemo, useSyncExternalStore } from 'react';
import type { ChannelState, Client, EventInfo, Gap, Handlers, Recovery } from '../api.js';
import type { BelfryError } from '../errors.js';
import type { EventMessage } from '../index.js';
import { useLatest } from './latest.js';
import { useClient } from './provider.js';
import { createStore, type Store } from './store.js';

/** `idle`: not enabled. `joining`: asked for. `live`: caught up. `refused`: see `error`. */
export type ChannelPhase = 'idle' | 'joining' | 'live' | 'refused';

export interface ChannelView {
  readonly phase: ChannelPhase;
  /** The last ones, newest first. */
  readonly events: readonly EventMessage[];
  /** The last snapshot; only where `snapshot` is asked for. */
  readonly state: ChannelState | undefined;
  readonly error: BelfryError | undefined;
}

export interface ChannelOptions {
  /** Default true. */
  readonly enabled?: boolean | undefined;
  /** How many events to keep. Default 50. */
  readonly keep?: number | undefined;
  /** Begin with the last n events. */
  readonly rewind?: number | undefined;
  /** Ask for the channel's snapshot. Default false. */
  readonly snapshot?: boolean | undefined;
  readonly onEvent?: ((event: EventMessage, info: EventInfo) => unknown) | undefined;
  readonly onState?: ((state: ChannelState) => unknown) | undefined;
  readonly onRecovered?: ((recovery: Recovery) => void) | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

type Callbacks = Pick<ChannelOptions, 'onEvent' | 'onState' | 'onRecovered' | 'onGap'>;

const IDLE: ChannelView = { phase: 'idle', events: [], state: undefined, error: undefined };

/**
 * @param channel a channel's name or a property's id; nothing while it is not known yet
 * @param options functions may be new in every render; another of the rest is another subscription
 */
export function useChannel(channel: string | null | undefined, options: ChannelOptions = {}): ChannelView {
  const client = useClient();
  const callbacks = useLatest<Callbacks>(options);
  const { enabled = true, keep = 50, rewind, snapshot = false } = options;
  const name = enabled ? channel : undefined;
  const store = useMemo(
    () => openChannel(client, name ?? undefined, { keep, rewind, snapshot }, callbacks),
    [client, name, keep, rewind, snapshot, callbacks],
  );
  return useSyncExternalStore(store.subscribe, store.get, store.get);
}

function openChannel(
  client: Client,
  channel: string | undefined,
  {
    keep,
    rewind,
    snapshot,
  }: { readonly keep: number; readonly rewind: number | undefined; readonly snapshot: boolean },
  callbacks: { readonly current: Callbacks },
): Store<ChannelView> {
  const first: ChannelView = channel === undefined ? IDLE : { ...IDLE, phase: 'joining' };
  let view = first;
  const set = (change: Partial<ChannelView>): void => {
    view = { ...view, ...change };
    store.touch();
  };

  const handlers: Handlers = {
    rewind,
    onEvent: (event, info) => {
      set({ events: [event, ...view.events].slice(0, keep) });
      return callbacks.current.onEvent?.(event, info);
    },
    onState: snapshot
      ? (state) => {
          set({ state });
          return callbacks.current.onState?.(state);
        }
      : undefined,
    onRecovered: (recovery) => callbacks.current.onRecovered?.(recovery),
    onGap: (gap) => callbacks.current.onGap?.(gap),
    onLive: () => set({ phase: 'live', error: undefined }),
    onError: (error) => set({ phase: 'refused', error }),
  };

  const store = createStore<ChannelView>(
    () => view,
    () => {
      view = first;
      return channel === undefined ? () => undefined : client.subscribe(channel, handlers);
    },
  );
  return store;
}
