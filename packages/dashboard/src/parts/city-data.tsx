/** "City data as of …": another clock than the connection's, for the city publishes once a day. */
import { useStore } from '../state/store.js';
import { useSigned } from './context.js';
import { TimeAgo } from './time-ago.js';

/** Seconds since 1970, whether the source wrote a number or a date. */
function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value > 1e11 ? value / 1000 : value;
  const parsed = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : parsed / 1000;
}

export function CityData() {
  const { session } = useSigned();
  const sources = useStore(session.live.view, ({ sources }) => sources);
  const all = [...sources.values()];
  if (all.length === 0) return null;
  const times = all.flatMap((event) => secondsOf(event.data_as_of) ?? secondsOf(event.checked_at) ?? []);
  const failing = all
    .filter(({ state }) => state === 'failing' || state === 'stale')
    .map(({ source }) => String(source));
  return (
    <span className="city-data">
      {times.length > 0 ? (
        <>
          City data as of <TimeAgo seconds={Math.min(...times)} />
        </>
      ) : (
        'City data not read yet'
      )}
      {failing.length > 0 && <span className="city-failing"> · {failing.join(', ')} delayed</span>}
    </span>
  );
}
