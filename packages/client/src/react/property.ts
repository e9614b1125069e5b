/** Properties in components: one, or a portfolio. */
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import type { Disposer } from '../clock.js';
import { type Properties, type PropertyView, propertiesOf, unknownProperty } from './properties.js';
import { useClient } from './provider.js';

/** @param bbl the property's id; nothing while it is not known yet */
export function useProperty(bbl: string | null | undefined): PropertyView {
  const properties = propertiesOf(useClient());
  const subscribe = useCallback(
    (changed: () => void): Disposer => (bbl ? properties.subscribe(bbl, changed) : () => undefined),
    [properties, bbl],
  );
  const get = () => (bbl ? properties.get(bbl) : undefined);
  const view = useSyncExternalStore(subscribe, get, get);
  const unknown = useMemo(() => unknownProperty(bbl ?? ''), [bbl]);
  return view ?? unknown;
}

export interface PortfolioView {
  /** In the order in which they were given, each once. */
  readonly properties: readonly PropertyView[];
  /** Open violations of all of them. */
  readonly open: number;
  /** How many of them nothing is known of yet. */
  readonly joining: number;
}

/** @param bbls the properties' ids; a new list of the same ids is the same portfolio */
export function usePortfolio(bbls: readonly string[]): PortfolioView {
  const properties = propertiesOf(useClient());
  const key = [...new Set(bbls)].join(' ');
  const portfolio = useMemo(() => createPortfolio(properties, key === '' ? [] : key.split(' ')), [properties, key]);
  return useSyncExternalStore(portfolio.subscribe, portfolio.get, portfolio.get);
}

/** Draws the portfolio anew only where one of its properties has changed. */
function createPortfolio(properties: Properties, bbls: readonly string[]) {
  const unknown = bbls.map(unknownProperty);
  let shown: readonly PropertyView[] | undefined;
  let portfolio: PortfolioView | undefined;

  return {
    subscribe: (changed: () => void): Disposer => {
      let untold = false;
      let ended = false;
      // Hundreds change in one turn, and looking through all of them for each would take longer than drawing them.
      const later = (): void => {
        if (untold) return;
        untold = true;
        queueMicrotask(() => {
          untold = false;
          if (!ended) changed();
        });
      };
      const ends = bbls.map((bbl) => properties.subscribe(bbl, later));
      return () => {
        ended = true;
        for (const end of ends) end();
      };
    },
    get: (): PortfolioView => {
      const views = bbls.map((bbl, index) => properties.get(bbl) ?? (unknown[index] as PropertyView));
      if (!portfolio || views.some((view, index) => view !== shown?.[index])) {
        shown = views;
        portfolio = {
          properties: views,
          open: views.reduce((sum, { open }) => sum + open, 0),
          joining: views.filter(({ phase }) => phase === 'joining').length,
        };
      }
      return portfolio;
    },
  };
}
