/** The first page: the portfolio in numbers, its properties, what happened last, and charts. */

import { Charts } from '../charts/charts.js';
import { ActivityList } from '../parts/activity-list.js';
import { CityData } from '../parts/city-data.js';
import { useSigned } from '../parts/context.js';
import { linkTo } from '../parts/route.js';
import { useStore } from '../state/store.js';
import { Kpis } from './kpis.js';
import { PropertyList } from './property-list.js';

const FEED_LENGTH = 10;

export function PortfolioPage() {
  const { session } = useSigned();
  const activity = useStore(session.live.view, ({ activity }) => activity);
  return (
    <>
      <div className="page-head">
        <h1>Portfolio</h1>
        <CityData />
      </div>
      <Kpis />
      <div className="columns">
        <div className="side">
          <PropertyList />
          <Charts />
        </div>
        <section className="card" aria-labelledby="feed-title">
          <div className="card-head">
            <h2 id="feed-title">Latest activity</h2>
            <a href={linkTo('activity')}>All activity</a>
          </div>
          <ActivityList entries={activity.slice(0, FEED_LENGTH)} />
        </section>
      </div>
    </>
  );
}
