/** The settings of tracing, under the names that OpenTelemetry gives them. */
import { textOf, url } from '../service/index.js';

export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: url({
    text: 'OpenTelemetry collector that spans go to, as http://collector:4318, by OTLP over HTTP (`/v1/traces` is added); empty: no traces',
    default: '',
    protocols: ['http:', 'https:'],
  }),
  OTEL_TRACES_SAMPLER_ARG: textOf(
    { pattern: /^(0(\.\d+)?|1(\.0+)?)$/, allowed: 'a number from 0 to 1' },
    {
      text: 'Share of the reports that are traced; those that come with a `traceparent` follow its flag',
      default: '0.01',
    },
  ),
} as const;
