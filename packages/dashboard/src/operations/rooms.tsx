/** The channels that most people follow. */
import { useWatched } from './operator-api.js';

interface Room {
  readonly channel: string;
  readonly followers: number;
  readonly nodes: number;
}

interface RoomsAnswer {
  readonly rooms: readonly Room[];
  readonly missing: readonly string[];
  readonly incomplete?: string;
}

export function RoomsPage() {
  const { error, value } = useWatched<RoomsAnswer>('/ws/rooms?top=50');
  const most = Math.max(1, value?.rooms[0]?.followers ?? 1);
  return (
    <section className="card" aria-labelledby="rooms-title">
      <h2 id="rooms-title">Rooms</h2>
      {error && <p className="error">{error}</p>}
      {value?.incomplete && <p className="error">{value.incomplete}</p>}
      {value && value.missing.length > 0 && <p className="error">No answer from {value.missing.join(', ')}.</p>}
      {!value && !error && <p className="empty">Asking the gateways…</p>}
      {value?.rooms.length === 0 && <p className="empty">Nobody follows anything at the moment.</p>}
      <table className="bars" hidden={!value?.rooms.length}>
        <thead>
          <tr>
            <th scope="col">Channel</th>
            <th scope="col">
              <span className="hidden">Share</span>
            </th>
            <th scope="col" className="bar-value">
              Followers
            </th>
          </tr>
        </thead>
        <tbody>
          {value?.rooms.map(({ channel, followers }) => (
            <tr key={channel} data-room={channel}>
              <th scope="row">{channel}</th>
              <td>
                <span className="bar" style={{ width: `${(followers / most) * 100}%` }} aria-hidden="true" />
              </td>
              <td className="bar-value">{followers}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
