/** What a load test counts. Names are the JSON result's too; times are milliseconds. */
import { Counter, Rate, Trend } from 'k6/metrics';

/** From just before the request to the intake until a client has read the event from its socket. */
export const latency = new Trend('e2e_latency', true);
/** From there until k6's thread came to it: k6's own, in no other latency. */
export const waiting = new Trend('k6_waiting', true);
export const ready = new Trend('ready_time', true);
export const connects = new Rate('connect_success');
export const returns = new Counter('returns');
export const recoveries = new Rate('recovered');
/** How often a server said that it could not continue, and sent its state instead. */
export const resyncs = new Counter('resyncs');
export const received = new Counter('events_received');
export const replayed = new Counter('events_replayed');
export const published = new Counter('events_published');
export const refused = new Counter('events_refused');
export const intake = new Trend('intake_time', true);
/** By how much later than the rate wants an event's request was made, as k6 or the request before it was slow: in no latency. */
export const behind = new Trend('publish_behind', true);
export const gaps = new Counter('gaps');
export const missing = new Counter('missing');
export const repeated = new Counter('repeated');
/** Events that came behind later ones: when those came, they were gaps. */
export const reordered = new Counter('reordered');
/** Events of a property that the client does not follow. */
export const strays = new Counter('strays');
/**
 * Clients that were not judged to their end: every seat is added when it begins and taken off when it ends, so that those of a
 * thread that died stay; and whoever waited in vain for what had been published is added once more.
 */
export const unfinished = new Counter('unfinished');
export const closes = new Counter('unexpected_closes');
export const errors = new Counter('errors');
