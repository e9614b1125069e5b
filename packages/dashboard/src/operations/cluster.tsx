/** Every gateway that is alive, what it carries, and the sums. */
import { Scroll } from '../parts/scroll.js';
import { TimeAgo } from '../parts/time-ago.js';
import { type NodeInfo, useWatched } from './operator-api.js';
import { Rebalance } from './rebalance.js';

export function ClusterPage() {
  const { error, value } = useWatched<{ nodes: readonly NodeInfo[]; incomplete?: string }>('/ws/nodes');
  const nodes = (value?.nodes ?? []).toSorted((a, b) => (a.node < b.node ? -1 : 1));
  const sum = (field: 'active_connections' | 'authenticated_connections' | 'total_subscriptions'): number =>
    nodes.reduce((total, node) => total + node[field], 0);
  const sums = [
    ['Gateways', nodes.length],
    ['Connections', sum('active_connections')],
    ['Signed in', sum('authenticated_connections')],
    ['Subscriptions', sum('total_subscriptions')],
  ] as const;
  return (
    <>
      {error && <p className="error">{error}</p>}
      {value?.incomplete && <p className="error">{value.incomplete}</p>}
      <dl className="kpis">
        {sums.map(([name, count]) => (
          <div key={name} className="card kpi">
            <dt>{name}</dt>
            <dd>{count.toLocaleString('en')}</dd>
          </div>
        ))}
      </dl>
      <section className="card" aria-labelledby="nodes-title">
        <h2 id="nodes-title">Gateways</h2>
        <Scroll label="Gateways, as a table">
          <table className="plain stacked">
            <thead>
              <tr>
                <th scope="col">Gateway</th>
                <th scope="col">State</th>
                <th scope="col">Connections</th>
                <th scope="col">Load</th>
                <th scope="col">Properties</th>
                <th scope="col">Version</th>
                <th scope="col">Started</th>
              </tr>
            </thead>
            <tbody>
              {nodes.map((node) => (
                <tr key={node.node} data-node={node.node}>
                  <th scope="row">{node.node}</th>
                  <td data-label="State">
                    <NodeState node={node} />
                  </td>
                  <td data-label="Connections">{node.active_connections}</td>
                  <td data-label="Load">
                    <meter
                      min={0}
                      max={node.max_connections}
                      value={node.active_connections}
                      aria-label={`Load of ${node.node}`}
                    />
                  </td>
                  <td data-label="Properties">{node.unique_properties}</td>
                  <td data-label="Version">{node.version}</td>
                  <td data-label="Started">
                    <TimeAgo seconds={node.started_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </section>
      <Rebalance />
    </>
  );
}

function NodeState({ node }: { readonly node: NodeInfo }) {
  if (node.draining) return <span className="state state-waiting">▲ going away</span>;
  if (!node.link_whole) return <span className="state state-bad">■ without Redis</span>;
  return <span className="state state-good">● serving</span>;
}
