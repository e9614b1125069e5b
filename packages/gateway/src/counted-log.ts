/** The log with its readings counted: a storm of clients that come back may not become a storm of readings. */
import type { LogKeeper, LogReader } from '@belfry/shared/log';

/** @param onRead called with the channel before every reading */
export function countedLog(log: LogReader & LogKeeper, onRead: (channel: string) => void): LogReader & LogKeeper {
  return {
    positions: log.positions,
    keep: log.keep,
    read(channel, request) {
      onRead(channel);
      return log.read(channel, request);
    },
  };
}
