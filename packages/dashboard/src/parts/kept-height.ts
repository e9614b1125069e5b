/** How high a part of the page is, for what has to lie below it: its content wraps and grows as it needs. */
import { type RefObject, useEffect } from 'react';

/** Keeps the element's height, in pixels, as this property of the document's style. */
export function useKeptHeight(element: RefObject<HTMLElement | null>, property: `--${string}`): void {
  useEffect(() => {
    if (!element.current) return undefined;
    const { style } = document.documentElement;
    const observer = new ResizeObserver(([entry]) => {
      const height = entry?.borderBoxSize[0]?.blockSize;
      if (height !== undefined) style.setProperty(property, `${height}px`);
    });
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      style.removeProperty(property);
    };
  }, [element, property]);
}
