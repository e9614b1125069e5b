/**
 * One client's place: plays its steps, follows one property, and has every event judged. A connection that is lost
 * without having been asked to comes back by itself, as real clients do, and is counted.
 */
import { WebSocket } from 'k6/websockets';
import { type Audit, createAudit } from './audit.ts';
import { readEvent, readOther } from './frames.ts';
import * as metrics from './metrics.ts';
import type { Step } from './scenarios.ts';
import type { Timetable } from './timetable.ts';

export interface SeatOptions {
  readonly url: string;
  /** Of all seats of this thread. */
  readonly timetable: Timetable;
  readonly token: string;
  readonly channel: string;
  readonly steps: readonly Step[];
  /** Milliseconds since 1970: when the run began. */
  readonly startedMs: number;
  /** Whether a publisher's last event is to be waited for. */
  readonly published: boolean;
  /** Milliseconds since the run began. */
  readonly endMs: number;
  /** Waits this long for SUBSCRIBED. Milliseconds. */
  readonly deadlineMs: number;
  /** A live event: how long it took to the socket, and how long k6's thread then took to come to it. Milliseconds. */
  readonly onLive: (onWayMs: number, waitingMs: number) => void;
  /** An event that was published before this connection was there. */
  readonly onReplayed: () => void;
  /** Why a connection failed, for people. */
  readonly onProblem: (text: string) => void;
  /** Once: nothing more comes from this seat. */
  readonly onOver: () => void;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10_000;
const CONNECTING = 0;

/**
 * k6's `close` waits for somebody who sends what is written, and while a connection is being made there is nobody: its thread would
 * stand still for ever, deaf to Ctrl-C. Such a connection is closed once it is there; k6 gives it a minute.
 */
function close(ws: WebSocket): void {
  if (ws.readyState === CONNECTING) ws.onopen = () => ws.close();
  else ws.close();
}

export function takeSeat(options: SeatOptions): void {
  const pending = new Set<() => void>();
  let socket: WebSocket | undefined;
  let audit: Audit = createAudit(options.channel);
  let failures = 0;
  let over = false;
  /** There is a connection, and it is not SUBSCRIBED yet. */
  let waits = false;

  function after(ms: number, act: () => void): () => void {
    const takeBack = options.timetable.after(ms, () => {
      pending.delete(takeBack);
      act();
    });
    pending.add(takeBack);
    return () => {
      pending.delete(takeBack);
      takeBack();
    };
  }
  const at = (ms: number, act: () => void) => after(options.startedMs + ms - Date.now(), act);

  function connect(): void {
    const openedMs = Date.now();
    const resumes = audit.position();
    let readyMs = Number.POSITIVE_INFINITY;
    const ws = new WebSocket(options.url);
    socket = ws;
    waits = true;
    const cancelDeadline = after(options.deadlineMs, () => close(ws));

    function subscribed(id: string, recovered: boolean | undefined): void {
      cancelDeadline();
      failures = 0;
      readyMs = Date.now();
      waits = false;
      metrics.connects.add(true);
      metrics.ready.add(readyMs - openedMs);
      if (resumes !== undefined) {
        metrics.recoveries.add(recovered === true);
        if (recovered !== true) metrics.resyncs.add(1);
      }
      audit.subscribed(id, recovered, readyMs);
    }

    /** @param readMs when k6 read it from the socket, with decimals */
    function judgeTime(sentMs: number, readMs: number): void {
      // What was published before this connection was there was late for a reason.
      if (sentMs < readyMs) options.onReplayed();
      else options.onLive(readMs - sentMs, Math.max(0, Date.now() - readMs));
    }

    ws.onopen = () => {
      ws.send(JSON.stringify({ type: 'AUTHENTICATE', token: options.token }));
      ws.send(JSON.stringify({ type: 'SUBSCRIBE', channel: options.channel, ...(resumes ? { after: resumes } : {}) }));
    };
    ws.onmessage = (message) => {
      // Closed by us: what still comes belongs to nobody, and would come again.
      if (socket !== ws || !message) return;
      const text = String(message.data);
      const sentMs = audit.expected(text);
      if (sentMs !== undefined) return judgeTime(sentMs, message.timestamp);
      const event = readEvent(text);
      if (event) {
        const { gaps, missing, repeated, reordered, strays } = audit.event(event);
        if (gaps > 0) metrics.gaps.add(gaps);
        if (missing > 0) metrics.missing.add(missing);
        if (repeated > 0) metrics.repeated.add(repeated);
        if (reordered > 0) metrics.reordered.add(reordered);
        if (strays > 0) metrics.strays.add(strays);
        if (event.last) return void (over || finish());
        return judgeTime(event.sentMs, message.timestamp);
      }
      const frame = readOther(text);
      if (frame.type === 'SUBSCRIBED' && frame.channel === options.channel && frame.id)
        subscribed(frame.id, frame.recovered);
      else if (frame.type === 'RESYNC' && frame.channel === options.channel) metrics.resyncs.add(1);
      else if (frame.type === 'STATE' && frame.channel === options.channel && frame.id) audit.resynced(frame.id);
      else if (frame.type === 'PING') ws.send('{"type":"PONG"}');
      else if (frame.type === 'ERROR') fail(`${frame.code}: ${frame.message}`);
    };
    ws.onerror = (event) => options.onProblem(event?.error ?? 'the connection failed');
    function fail(text: string): void {
      metrics.errors.add(1);
      options.onProblem(text);
      ws.close();
    }
    ws.onclose = () => {
      cancelDeadline();
      // Closed by us, and perhaps replaced already.
      if (socket !== ws) return;
      socket = undefined;
      if (over) return;
      if (readyMs === Number.POSITIVE_INFINITY) metrics.connects.add(false);
      else metrics.closes.add(1);
      const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
      failures++;
      after(Math.random() * longest, () => !over && socket === undefined && connect());
    };
  }

  function disconnect(): void {
    const ws = socket;
    socket = undefined;
    if (ws) close(ws);
  }

  function take(step: Step): void {
    if (over) return;
    const { does } = step;
    if (does === 'drop' || does === 'leave') {
      disconnect();
      // There is nothing left to wait for.
      if (does === 'leave' && step === options.steps.at(-1)) finish();
      return;
    }
    if (does === 'return') metrics.returns.add(1);
    else audit = createAudit(options.channel);
    if (socket === undefined) connect();
  }

  function finish(): void {
    over = true;
    for (const takeBack of pending) takeBack();
    pending.clear();
    // Whoever is still waiting at the end never got in.
    if (socket !== undefined && waits) metrics.connects.add(false);
    disconnect();
    options.onOver();
  }

  for (const step of options.steps) at(step.atMs, () => take(step));
  const present = options.steps.at(-1)?.does !== 'leave';
  at(options.endMs, () => {
    if (options.published && present && !audit.complete()) {
      metrics.unfinished.add(1);
      metrics.missing.add(1);
    }
    finish();
  });
}
