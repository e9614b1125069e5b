/** The portfolio's properties: found, sorted, added and removed. */
import { useCallback, useDeferredValue, useMemo, useState } from 'react';
import { toast } from 'sonner';
import { useSigned } from '../parts/context.js';
import { placeOf } from '../state/bbl.js';
import type { Property } from '../state/properties.js';
import { rank } from '../state/severity.js';
import { useStore } from '../state/store.js';
import { AddProperty } from './add-property.js';
import { PropertyRow } from './property-row.js';

const ORDERS = {
  severity: 'Most severe first',
  updated: 'Last updated first',
  open: 'Most violations first',
  name: 'By BBL',
} as const;
type Order = keyof typeof ORDERS;

const COMPARE: Readonly<Record<Order, (a: Property, b: Property) => number>> = {
  severity: (a, b) => rank(b.severity) - rank(a.severity),
  updated: (a, b) => (b.updatedAt ?? 0) - (a.updatedAt ?? 0),
  open: (a, b) => b.open - a.open,
  name: () => 0,
};

export function PropertyList() {
  const { session } = useSigned();
  const properties = useStore(session.live.view, ({ properties }) => properties);
  const [order, setOrder] = useState<Order>('severity');
  const [filter, setFilter] = useState('');
  const wanted = useDeferredValue(filter.trim().toLowerCase());

  const shown = useMemo(() => {
    const found = [...properties.values()].filter(({ id }) => {
      if (wanted === '') return true;
      const { detail, title } = placeOf(id);
      return `${title} ${detail}`.toLowerCase().includes(wanted);
    });
    return found.sort((a, b) => COMPARE[order](a, b) || (a.id < b.id ? -1 : 1));
  }, [properties, wanted, order]);

  const removeProperty = useCallback(
    (id: string): void => {
      session.remove(id);
      toast(`${placeOf(id).title} removed`, {
        id: `removed-${id}`,
        duration: 5_000,
        action: { label: 'Undo', onClick: () => session.add(id) },
      });
    },
    [session],
  );

  return (
    <section className="card properties" aria-labelledby="properties-title">
      <div className="card-head">
        <h2 id="properties-title">
          Properties <span className="count">{properties.size}</span>
        </h2>
        <AddProperty />
      </div>
      <div className="toolbar">
        <input
          type="search"
          placeholder="Find a property"
          aria-label="Find a property"
          value={filter}
          onChange={({ target }) => setFilter(target.value)}
        />
        <select aria-label="Order" value={order} onChange={({ target }) => setOrder(target.value as Order)}>
          {Object.entries(ORDERS).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {properties.size === 0 ? (
        <p className="empty">No properties yet. Add the first one by its BBL, such as 1-1265-1.</p>
      ) : (
        <ul className="property-rows">
          {shown.map((property) => (
            <PropertyRow key={property.id} property={property} onRemove={removeProperty} />
          ))}
        </ul>
      )}
    </section>
  );
}
