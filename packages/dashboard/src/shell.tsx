/** What is around every page: navigation, the state of the connection, the pause switch, toasts, announcements. */
import { useEffect, useRef, useState } from 'react';
import { Toaster } from 'sonner';
import { CriticalMessages } from './notify/critical-messages.js';
import { createTeller, type Teller } from './notify/teller.js';
import { OperationsPage } from './operations/operations.js';
import { ActivityPage } from './pages/activity.js';
import { AlertsPage } from './pages/alerts.js';
import { DebugPanel } from './pages/debug-panel.js';
import { MissingPage } from './pages/missing.js';
import { PortfolioPage } from './pages/portfolio.js';
import { PropertyPage } from './pages/property.js';
import { SettingsPage } from './pages/settings.js';
import { useSigned } from './parts/context.js';
import { useKeptHeight } from './parts/kept-height.js';
import { LiveSwitch } from './parts/live-switch.js';
import { Logo } from './parts/logo.js';
import { OutageBanner } from './parts/outage-banner.js';
import { RenewalDialog } from './parts/renewal-dialog.js';
import { linkTo, useRoute } from './parts/route.js';
import { StatusChip } from './parts/status-chip.js';
import { useStore } from './state/store.js';

const PAGES = [
  ['', 'Portfolio'],
  ['activity', 'Activity'],
  ['alerts', 'Alerts'],
  ['settings', 'Settings'],
] as const;

/** Of another the client has no channel, and throws. */
const PROPERTY_ID = /^[\w-]{1,64}$/;

/** What the header offers must not be under a message, and no critical one under another. */
const BELOW = 'calc(var(--top-height, 64px) + 10px + var(--critical-height, 0px))';

export function Shell() {
  const { notices, session, theme } = useSigned();
  const route = useRoute();
  const [teller, setTeller] = useState<Teller>();
  const role = useStore(session.live.status, ({ user }) => user?.role) ?? session.claims.role;
  const operator = role === 'ADMIN' || role === 'HR';
  const themeNow = useStore(theme);
  const debug = useStore(session.frames.on);
  const header = useRef<HTMLElement>(null);
  useKeptHeight(header, '--top-height');

  useEffect(() => {
    const created = createTeller(notices);
    const stop = session.live.onNews(created.tell);
    setTeller(created);
    return () => {
      stop();
      created.dispose();
    };
  }, [notices, session]);

  const [page = '', id = ''] = route;
  const current = page === 'property' ? '' : page;
  const pages = operator ? [...PAGES, ['operations', 'Operations'] as const] : PAGES;
  return (
    <>
      <button type="button" className="skip" onClick={focusMain}>
        Skip to content
      </button>
      <header ref={header} className="top">
        <a className="home" href={linkTo()} aria-label="Belfry, portfolio">
          <Logo />
        </a>
        <nav className="tabs" aria-label="Pages">
          {pages.map(([path, name]) => (
            <a key={path} href={linkTo(path)} aria-current={path === current ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <div className="top-end">
          <LiveSwitch />
          <StatusChip />
        </div>
      </header>
      <OutageBanner />
      <main id="main" tabIndex={-1} data-page={route.join('/')}>
        <PageAt page={page} id={id} operator={operator} />
      </main>
      {debug && <DebugPanel />}
      <RenewalDialog />
      {teller && <Announcer teller={teller} />}
      {teller && <CriticalMessages messages={teller.critical} />}
      <Toaster
        position="top-right"
        theme={themeNow}
        visibleToasts={5}
        offset={{ top: BELOW, right: 16 }}
        mobileOffset={{ top: BELOW }}
        toastOptions={{ className: 'toast' }}
        containerAriaLabel="Notifications"
      />
    </>
  );
}

interface Place {
  readonly page: string;
  readonly id: string;
  readonly operator: boolean;
}

function PageAt({ id, operator, page }: Place) {
  if (page === '') return <PortfolioPage />;
  if (page === 'property' && PROPERTY_ID.test(id)) return <PropertyPage key={id} id={id} />;
  if (page === 'activity') return <ActivityPage />;
  if (page === 'alerts') return <AlertsPage />;
  if (page === 'settings') return <SettingsPage />;
  if (page === 'operations' && operator) return <OperationsPage tab={id || 'cluster'} />;
  return <MissingPage />;
}

/** A link would change the fragment, which is the page's address. */
function focusMain(): void {
  document.getElementById('main')?.focus();
}

function Announcer({ teller }: { readonly teller: Teller }) {
  const { polite, urgent } = useStore(teller.announcement);
  const unseen = useStore(teller.unseen);
  useEffect(() => {
    document.title = unseen > 0 ? `(${unseen}) Belfry` : 'Belfry';
  }, [unseen]);
  return (
    <div className="hidden">
      <div aria-live="polite">{polite}</div>
      <div role="alert">{urgent}</div>
    </div>
  );
}
