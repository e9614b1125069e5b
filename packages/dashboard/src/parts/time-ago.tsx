/** How long ago something was; the exact time is one hover away. */
import { ago, fullTime, useNow } from './now.js';

export function TimeAgo({ seconds }: { readonly seconds: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(seconds * 1000).toISOString()} title={fullTime(seconds)}>
      {ago(seconds, Math.max(now, seconds * 1000))}
    </time>
  );
}
