/** Traces at the publisher: a report's way in, and its events' way into the log. See `@belfry/shared/tracing`. */
import type { LogWriter } from '@belfry/shared/log';
import { isBoard, parseChannel } from '@belfry/shared/protocol';
import { isTraceparent, type Span, type Tracing, traceparentIn } from '@belfry/shared/tracing';
import type { Report } from './intake/door.js';

/** A span for every report that is sampled. Nothing else is done where tracing is off. */
export interface ReportTraces {
  /** @param header the request's `traceparent`, which a report's own goes before */
  begin(
    reports: readonly Report[],
    header: unknown,
  ): { readonly reports: readonly Report[]; end(error?: unknown): void };
}

export function traceReports(tracing: Tracing): ReportTraces {
  return {
    begin(reports, header) {
      if (!tracing.enabled) return { reports, end: () => undefined };
      const parent = isTraceparent(header) ? header : undefined;
      const span = tracing.span('intake', { parent: parent ?? ownOf(reports[0]), count: reports.length });
      return { reports: reports.map((report) => carrying(report, span)), end: span.end };
    },
  };
}

const ownOf = (report: Report | undefined): string | undefined => {
  const own = report && ('change' in report ? report.change.traceparent : report.event.traceparent);
  return isTraceparent(own) ? own : undefined;
};

function carrying(report: Report, { traceparent }: Span): Report {
  if (traceparent === undefined) return report;
  if ('change' in report) return { ...report, change: { ...report.change, traceparent } };
  // A board's documents are their owner's: nothing is put into them.
  if (isBoard(report.event.channel)) return report;
  return { ...report, event: { ...report.event, traceparent } };
}

/** The log with a span for every event that carries a trace. */
export function tracedLog(log: LogWriter, tracing: Tracing): LogWriter {
  if (!tracing.enabled) return log;
  return {
    facts: log.facts,
    applied: log.applied,
    async append(request) {
      const channelKind = parseChannel(request.channel)?.kind ?? 'unknown';
      const spans = request.entries.flatMap(({ events }) =>
        events.flatMap(({ body }) => {
          const parent = traceparentIn(body);
          return parent ? [tracing.span('append', { parent, channelKind })] : [];
        }),
      );
      try {
        const outcome = await log.append(request);
        for (const span of spans) span.end(outcome.status === 'ok' ? undefined : new Error(outcome.status));
        return outcome;
      } catch (error) {
        for (const span of spans) span.end(error);
        throw error;
      }
    },
  };
}
