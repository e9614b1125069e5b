/** The settings of tracing, under the names that OpenTelemetry gives them. */
import { text } from '../service/index.js';

export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: text({
    text: 'OpenTelemetry collector that spans go to, by OTLP over HTTP (`/v1/traces` is added); empty: no traces',
    default: '',
    check: (value) =>
      value === '' || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))
        ? undefined
        : 'must look like http://collector:4318',
  }),
  OTEL_TRACES_SAMPLER_ARG: text({
    text: 'Share of the reports that are traced, 0 to 1; those that come with a `traceparent` follow its flag',
    default: '0.01',
    check: (value) => (/^(0(\.\d+)?|1(\.0+)?)$/.test(value) ? undefined : 'must be a number from 0 to 1'),
  }),
} as const;
