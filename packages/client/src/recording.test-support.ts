/** A subscriber that writes down what it is told, one line each, in order. */
import type { Handlers } from './api.js';

export interface Recording {
  readonly handlers: Handlers;
  readonly log: string[];
  /** Takes the lines since the last call. */
  take(): string[];
}

/** @param also handlers that are passed on as they are; `onEvent` … are added to those that record */
export function createRecording(also: Handlers = {}): Recording {
  const log: string[] = [];
  let taken = 0;
  return {
    log,
    take: () => {
      const lines = log.slice(taken);
      taken = log.length;
      return lines;
    },
    handlers: {
      onEvent: ({ id }, { replayed, covered }) => {
        log.push(`event ${id}${replayed ? ' replayed' : ''}${covered ? ' covered' : ''}`);
      },
      onRecovered: ({ recovered, replay }) => log.push(recovered ? `recovered ${replay}` : 'not recovered'),
      onGap: ({ cause, after, id }) => log.push(`gap ${cause} ${after}..${id}`),
      onError: ({ code }) => log.push(`error ${code}`),
      onLive: (id) => log.push(`live ${id}`),
      ...also,
    },
  };
}

/** `onState`, recorded like the rest: passing it changes what is asked of the gateway. */
export function createStateRecording(also: Handlers = {}): Recording {
  const recording = createRecording();
  return {
    ...recording,
    handlers: {
      ...recording.handlers,
      onState: ({ id, events }) => {
        recording.log.push(`state ${id} (${events.length})`);
      },
      ...also,
    },
  };
}

export const event = (id: string, channel = 'property:1000010001') => ({
  id,
  type: 'VIOLATION_UPDATE',
  channel,
  timestamp: 1_700_000_000,
});
