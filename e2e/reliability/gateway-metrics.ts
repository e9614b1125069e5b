/** What a gateway's own /metrics say. */
import type { Node } from '../chaos/cluster/node.js';

export interface GatewayMetrics {
  /** Since the last time it was asked for, in milliseconds. */
  readonly eventLoopDelayP99: number;
  /** Channels that live there, by kind of channel. */
  readonly channels: number;
  /** Readings of logs since the gateway's start. */
  readonly logReads: number;
  /** Readings of properties' logs. */
  readonly propertyLogReads: number;
}

export async function readMetrics(gateway: Node): Promise<GatewayMetrics> {
  const text = await (await fetch(`${gateway.process?.operatorUrl}/metrics`)).text();
  const sum = (name: string, labels = ''): number => {
    let total = 0;
    for (const line of text.split('\n'))
      if (line.startsWith(name) && line.includes(labels)) total += Number(line.slice(line.lastIndexOf(' ')));
    return total;
  };
  return {
    eventLoopDelayP99: sum('nodejs_eventloop_lag_p99_seconds') * 1_000,
    channels: sum('belfry_channels'),
    logReads: sum('belfry_log_reads_total'),
    propertyLogReads: sum('belfry_log_reads_total', 'kind="property"'),
  };
}
