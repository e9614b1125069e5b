/** W3C Trace Context, version 00: `00-<trace id>-<span id>-<flags>`, as it travels in headers, reports and events. */

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** How an event's frame has it; JSON.stringify writes no spaces. */
const FIELD = '"traceparent":"';
const LENGTH = 55;

export const isTraceparent = (value: unknown): value is string => typeof value === 'string' && TRACEPARENT.test(value);

/** The one that an event's JSON carries; undefined where it carries none. Does not parse the event. */
export function traceparentIn(frame: string | Uint8Array): string | undefined {
  const bytes = typeof frame === 'string' ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const at = bytes.lastIndexOf(FIELD);
  if (at === -1) return undefined;
  const start = at + FIELD.length;
  const value =
    typeof bytes === 'string' ? bytes.slice(start, start + LENGTH) : bytes.toString('latin1', start, start + LENGTH);
  return isTraceparent(value) ? value : undefined;
}
