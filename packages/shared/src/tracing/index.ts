/** Traces of an event's way, for OpenTelemetry: off unless an endpoint is set. */
export * from './settings.js';
export * from './traceparent.js';
export * from './tracing.js';
