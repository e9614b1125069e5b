/** For HR and ADMIN: the cluster and everybody on it. What acts on the cluster needs an operator's token besides. */

import { MissingPage } from '../pages/missing.js';
import { useSigned } from '../parts/context.js';
import { linkTo } from '../parts/route.js';
import { useStore } from '../state/store.js';
import { BoardPage } from './board.js';
import { ClusterPage } from './cluster.js';
import { ConnectionsPage } from './connections.js';
import { EventsPage } from './events.js';
import { OperatorSignIn } from './operator-sign-in.js';
import { RoomsPage } from './rooms.js';
import { SendPage } from './send.js';

const TABS = [
  ['cluster', 'Cluster'],
  ['connections', 'Connections'],
  ['rooms', 'Rooms'],
  ['send', 'Send'],
  ['events', 'Live events'],
  ['board', 'Boards'],
] as const;

/** Come over the ordinary connection: the role is enough. */
const BY_ROLE = new Set(['events', 'board']);

export function OperationsPage({ tab }: { readonly tab: string }) {
  const { operatorToken, operators } = useSigned();
  const token = useStore(operatorToken);
  if (!TABS.some(([path]) => path === tab)) return <MissingPage />;
  return (
    <>
      <h1>Operations</h1>
      <nav className="tabs subtabs" aria-label="Operations">
        {TABS.map(([path, name]) => (
          <a key={path} href={linkTo('operations', path)} aria-current={path === tab ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {BY_ROLE.has(tab) ? (
        tab === 'events' ? (
          <EventsPage />
        ) : (
          <BoardPage />
        )
      ) : operators === '' ? (
        <p className="card empty">This installation does not offer the operators’ calls to browsers.</p>
      ) : token === '' ? (
        <OperatorSignIn />
      ) : (
        <>
          {tab === 'cluster' && <ClusterPage />}
          {tab === 'connections' && <ConnectionsPage />}
          {tab === 'rooms' && <RoomsPage />}
          {tab === 'send' && <SendPage />}
        </>
      )}
    </>
  );
}
