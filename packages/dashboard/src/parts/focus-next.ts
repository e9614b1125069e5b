/** Where the keyboard goes when an item of a list is removed: to the next one's button, not to the top of the page. */
import type { MouseEvent } from 'react';

/** To be called before the item goes. Without another item: to the page's content. */
export function focusNext({ currentTarget }: MouseEvent): void {
  const item = currentTarget.closest('li');
  const next = (item?.nextElementSibling ?? item?.previousElementSibling)?.querySelector('button');
  (next ?? document.getElementById('main'))?.focus({ preventScroll: true });
}
