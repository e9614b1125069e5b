/** Who is connected, found by user or channel; one of them in detail; and how to end a connection. */
import { useDeferredValue, useState } from 'react';
import { toast } from 'sonner';
import { ConfirmButton } from '../parts/confirm-button.js';
import { Scroll } from '../parts/scroll.js';
import { TimeAgo } from '../parts/time-ago.js';
import { type ConnectionInfo, useOperator, useWatched } from './operator-api.js';

const PAGE = 50;

interface ConnectionsAnswer {
  readonly total: number;
  readonly connections: readonly ConnectionInfo[];
  readonly next?: string;
  readonly missing: readonly string[];
  readonly incomplete?: string;
}

export function ConnectionsPage() {
  const operator = useOperator();
  const [user, setUser] = useState('');
  const [channel, setChannel] = useState('');
  const [pages, setPages] = useState<readonly string[]>([]);
  const [open, setOpen] = useState<string>();
  const query = new URLSearchParams({
    user: user.trim(),
    channel: channel.trim(),
    limit: `${PAGE}`,
    after: pages.at(-1) ?? '',
  });
  const wanted = `/ws/connections?${query}`;
  const { answered, error, refresh, value } = useWatched<ConnectionsAnswer>(useDeferredValue(wanted));

  async function act(path: string, method: 'POST' | 'DELETE', body?: unknown): Promise<void> {
    try {
      const { disconnected } = await operator.act<{ disconnected: number }>(path, method, body);
      toast.success(disconnected === 1 ? '1 connection closed' : `${disconnected} connections closed`);
      refresh();
    } catch (cause) {
      toast.error((cause as Error).message);
    }
  }

  const shown = value?.connections.find(({ connection_id }) => connection_id === open);
  return (
    <>
      <div className="toolbar">
        <input
          type="search"
          placeholder="User"
          aria-label="User"
          value={user}
          onChange={({ target }) => {
            setUser(target.value);
            setPages([]);
          }}
        />
        <input
          type="search"
          placeholder="Channel, as property:1012650001"
          aria-label="Channel"
          value={channel}
          onChange={({ target }) => {
            setChannel(target.value);
            setPages([]);
          }}
        />
        {user.trim() !== '' && (
          <ConfirmButton onConfirm={() => void act('/ws/disconnect-user', 'POST', { user_id: user.trim() })}>
            Disconnect this user
          </ConfirmButton>
        )}
      </div>
      {error && <p className="error">{error}</p>}
      {value?.incomplete && <p className="error">{value.incomplete}</p>}
      <section className="card" aria-labelledby="connections-title">
        <h2 id="connections-title">
          Connections <span className="count">{value?.total ?? 0}</span>
        </h2>
        <Scroll label="Connections, as a table">
          <table className="plain stacked">
            <thead>
              <tr>
                <th scope="col">User</th>
                <th scope="col">Gateway</th>
                <th scope="col">Address</th>
                <th scope="col">Channels</th>
                <th scope="col">Since</th>
                <th scope="col">
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value?.connections.map((connection) => (
                <tr key={connection.connection_id} data-connection={connection.connection_id}>
                  <th scope="row">
                    {connection.user_id ?? 'not signed in'} <span className="quiet">{connection.role}</span>
                  </th>
                  <td data-label="Gateway">{connection.node}</td>
                  <td data-label="Address">{connection.address}</td>
                  <td data-label="Channels">{Object.keys(connection.subscriptions).length}</td>
                  <td data-label="Since">
                    <TimeAgo seconds={connection.connected_at} />
                  </td>
                  <td>
                    <div className="actions">
                      <button type="button" className="button" onClick={() => setOpen(connection.connection_id)}>
                        Details
                      </button>
                      <ConfirmButton
                        label={`Disconnect ${connection.user_id ?? connection.connection_id}`}
                        onConfirm={() =>
                          void act(`/ws/connections/${encodeURIComponent(connection.connection_id)}`, 'DELETE')
                        }
                      >
                        Disconnect
                      </ConfirmButton>
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        {value?.total === 0 && <p className="empty">No connection is like that.</p>}
        <div className="actions">
          {pages.length > 0 && (
            <button type="button" className="button" onClick={() => setPages(pages.slice(0, -1))}>
              Back
            </button>
          )}
          {value?.next && (
            <button
              type="button"
              className="button"
              // Where this list goes on is nowhere in the one that was asked for since. Disabled it would lose the focus.
              aria-disabled={answered !== wanted}
              onClick={() => answered === wanted && setPages([...pages, value.next as string])}
            >
              Next
            </button>
          )}
        </div>
      </section>
      {shown && <ConnectionDetails connection={shown} onClose={() => setOpen(undefined)} />}
    </>
  );
}

interface ConnectionDetailsProps {
  readonly connection: ConnectionInfo;
  readonly onClose: () => void;
}

function ConnectionDetails({ connection, onClose }: ConnectionDetailsProps) {
  return (
    <section className="card" aria-labelledby="connection-details">
      <div className="card-head">
        <h2 id="connection-details">{connection.connection_id}</h2>
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
      </div>
      <p className="quiet">
        {connection.messages_received} messages received, {connection.buffered_bytes} bytes waiting, last heard{' '}
        <TimeAgo seconds={connection.last_seen} />.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard */}
      <ul className="channels" tabIndex={0} aria-label="Channels and their positions">
        {Object.entries(connection.subscriptions).map(([channel, position]) => (
          <li key={channel}>
            <code>{channel}</code> <span className="quiet">{position}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
