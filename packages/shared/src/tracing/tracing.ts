/**
 * Spans of an event's way: `intake` where a report comes in, `append` where its event goes into the log, `deliver` where
 * a gateway hands it to the sockets of a channel: one a gateway, never one a client. The event carries the `traceparent`
 * of its intake. OpenTelemetry's packages are loaded only where an endpoint is set, and its names stand in this file only.
 */
import { hostname } from 'node:os';
import { isTraceparent } from './traceparent.js';

export type SpanName = 'intake' | 'append' | 'deliver';

export interface SpanOptions {
  /** The span that this one belongs to. What is no traceparent begins a trace of its own. */
  readonly parent?: string | undefined;
  /** Its kind only, as `property`: names would be one attribute value for each property. */
  readonly channelKind?: string;
  /** The event's position. */
  readonly eventId?: string;
  /** How many events or reports it is about. */
  readonly count?: number;
  /** Milliseconds since 1970. Default: now. */
  readonly startedAt?: number;
}

export interface Span {
  /** What goes along with the event; undefined where the trace is not sampled. */
  readonly traceparent: string | undefined;
  end(error?: unknown): void;
}

export interface Tracing {
  /** False where nothing is traced: then looking for a `traceparent` is not worth its while. */
  readonly enabled: boolean;
  span(name: SpanName, options: SpanOptions): Span;
  /** Sends what waits, for at most five seconds. */
  close(): Promise<void>;
}

const NO_SPAN: Span = { traceparent: undefined, end: () => undefined };
export const NO_TRACING: Tracing = { enabled: false, span: () => NO_SPAN, close: async () => undefined };

const CLOSE_MS = 5_000;
/** Spans wait so long for others to be sent along with. */
const EXPORT_MS = 1_000;
const SAMPLED = 1;

/**
 * @param endpoint of a collector; empty: nothing is traced
 * @param share of the reports that bring no trace of their own, 0 to 1
 */
export async function startTracing(options: {
  readonly service: string;
  readonly version: string;
  readonly endpoint: string;
  readonly share: number;
}): Promise<Tracing> {
  if (options.endpoint === '') return NO_TRACING;
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces` });
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': `belfry-${options.service}`,
      'service.version': options.version,
      'service.instance.id': `${hostname()}:${process.pid}`,
    }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(options.share) }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, { scheduledDelayMillis: EXPORT_MS })],
  });
  const tracer = provider.getTracer('belfry', options.version);
  const kinds = { intake: api.SpanKind.SERVER, append: api.SpanKind.PRODUCER, deliver: api.SpanKind.CONSUMER };
  const operations = { intake: 'receive', append: 'send', deliver: 'process' };

  function contextOf(parent: string | undefined) {
    if (!isTraceparent(parent)) return api.ROOT_CONTEXT;
    const [, traceId = '', spanId = '', flags = '00'] = parent.split('-');
    const traceFlags = Number.parseInt(flags, 16);
    return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  }

  return {
    enabled: true,
    span(name, { channelKind, count, eventId, parent, startedAt }) {
      const span = tracer.startSpan(
        name,
        {
          kind: kinds[name],
          startTime: startedAt ?? Date.now(),
          attributes: {
            'messaging.system': 'belfry',
            'messaging.operation.name': name,
            'messaging.operation.type': operations[name],
            ...(channelKind === undefined ? {} : { 'messaging.destination.template': `${channelKind}:{id}` }),
            ...(eventId === undefined ? {} : { 'messaging.message.id': eventId }),
            ...(count === undefined ? {} : { 'messaging.batch.message_count': count }),
          },
        },
        contextOf(parent),
      );
      const { spanId, traceFlags, traceId } = span.spanContext();
      return {
        traceparent: (traceFlags & SAMPLED) === 0 ? undefined : `00-${traceId}-${spanId}-01`,
        end(error) {
          if (error !== undefined) {
            span.setStatus({ code: api.SpanStatusCode.ERROR, message: error instanceof Error ? error.message : '' });
          }
          span.end();
        },
      };
    },
    async close() {
      // A collector that is away must not hold up the end of a process.
      const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}
