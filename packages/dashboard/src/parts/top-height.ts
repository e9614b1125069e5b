/** How high the header is, for what has to lie below it: on a narrow screen its parts wrap as they need. */
import { type RefObject, useEffect } from 'react';

/** Keeps `--top-height` of the document, in pixels. */
export function useTopHeight(header: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    if (!header.current) return undefined;
    const { style } = document.documentElement;
    const observer = new ResizeObserver(([entry]) => {
      const height = entry?.borderBoxSize[0]?.blockSize;
      if (height !== undefined) style.setProperty('--top-height', `${height}px`);
    });
    observer.observe(header.current);
    return () => {
      observer.disconnect();
      style.removeProperty('--top-height');
    };
  }, [header]);
}
