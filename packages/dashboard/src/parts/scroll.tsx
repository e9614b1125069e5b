/** What may be wider or longer than its place: it scrolls, by keyboard too. */
import type { ReactNode } from 'react';

export function Scroll({ children, label }: { readonly children: ReactNode; readonly label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <section className="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
