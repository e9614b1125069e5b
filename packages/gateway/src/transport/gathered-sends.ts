/**
 * What is sent to a client at some other time than when it is heard itself, as the answers to what Redis was asked for,
 * leaves in one piece at the end of the turn. One by one each frame would be a system call and a packet of its own: a client
 * whose hundred channels do not live here yet would get a hundred. What a client's own frame leads to, uWebSockets.js
 * gathers by itself.
 *
 * Nobody sees a difference in order: whatever else is sent to the client, or published, comes behind what was gathered.
 */
import type { Frame } from '../channels/subscriber.js';
import type { Ws } from './ws.js';

/** As much as uWebSockets.js sends in one piece. */
const MAX_BYTES = 16_384;
/** uWebSockets.js' answer to `send` when nothing was sent. */
const DROPPED = 2;

interface Gathered {
  readonly frames: Frame[];
  bytes: number;
}

export interface GatheredSends {
  /** Whom uWebSockets.js gathers for at the moment: what is sent to it need not be gathered here. */
  corked: Ws | undefined;
  /** False when the frame was dropped: the client is too slow. */
  send(ws: Ws, frame: Frame): boolean;
  /** Before anything that is done to a client otherwise. */
  flushOf(ws: Ws): void;
  /** Before anything that is published. */
  flush(): void;
  /** The socket is closed, and must not be touched any more. */
  forget(ws: Ws): void;
}

export function createGatheredSends(): GatheredSends {
  const gathered = new Map<Ws, Gathered>();

  /** False where it has to leave at once: for want of room, or because it is to be known whether it was dropped. */
  function gather(ws: Ws, frame: Frame): boolean {
    const known = gathered.get(ws);
    if ((known?.bytes ?? 0) + frame.length > MAX_BYTES) return false;
    if (!known && ws.getBufferedAmount() > 0) return false;
    // What memory a frame is a view on is used again before it leaves.
    const kept = typeof frame === 'string' ? frame : Buffer.from(frame);
    if (known) {
      known.frames.push(kept);
      known.bytes += frame.length;
      return true;
    }
    if (gathered.size === 0) process.nextTick(flush);
    gathered.set(ws, { frames: [kept], bytes: frame.length });
    return true;
  }

  function flush(): void {
    // Before every event there is: mostly nothing was gathered.
    if (gathered.size === 0) return;
    for (const ws of gathered.keys()) flushOf(ws);
  }

  function flushOf(ws: Ws): void {
    const { frames } = gathered.get(ws) ?? {};
    if (!frames) return;
    gathered.delete(ws);
    const sendAll = (): void => {
      for (const frame of frames) {
        if (ws.send(frame, false) !== DROPPED) continue;
        ws.getUserData().session?.poison();
        // Behind a hole nothing may come.
        return;
      }
    };
    if (frames.length === 1) sendAll();
    else ws.cork(sendAll);
  }

  const sends: GatheredSends = {
    corked: undefined,
    send(ws, frame) {
      if (sends.corked !== ws && gather(ws, frame)) return true;
      if (gathered.size > 0) flushOf(ws);
      return ws.send(frame, false) !== DROPPED;
    },
    flushOf,
    flush,
    forget: (ws) => void gathered.delete(ws),
  };
  return sends;
}
