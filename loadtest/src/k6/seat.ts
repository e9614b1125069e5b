/**
 * One client's place: plays its steps, follows one property, and has every event judged. A connection that is lost
 * without having been asked to comes back by itself, as real clients do, and is counted.
 */
import { WebSocket } from 'k6/websockets';
import { type Audit, createAudit } from './audit.ts';
import { type OtherFrame, readEvent, readOther } from './frames.ts';
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
  /** Whether a last event of this source, which comes just now, is the one to wait for, and not another load test's. */
  readonly isOurs: (source: string) => boolean;
  /** Milliseconds since the run began. */
  readonly endMs: number;
  /** Waits this long for SUBSCRIBED, and before it goes for what was published by then. Milliseconds. */
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
/** Marks the answer to the question how far the channel is. */
const GOING = 'going';
const ANOTHER = 'another load test publishes to the same properties: its events are among the latencies';

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
  /** What is to be done once all has come that was published before this client wanted to go. */
  let going: (() => void) | undefined;
  /** How far that reaches; undefined until the gateway has said so. */
  let goal: string | undefined;
  /** Another client takes this place as soon as this one has gone. */
  let replaced = false;

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
    /** The server has said that it could not continue: a STATE that nobody announced would hide what is missing. */
    let resyncs = false;
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
        if (recovered !== true) resync();
      }
      audit.subscribed(id, recovered, readyMs);
      if (going) ask();
    }
    function resync(): void {
      metrics.resyncs.add(1);
      resyncs = true;
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
      if (sentMs !== undefined) {
        judgeTime(sentMs, message.timestamp);
        if (going) goWhereComplete();
        return;
      }
      const event = readEvent(text);
      if (event) {
        const { gaps, missing, repeated, reordered, strays } = audit.event(event);
        if (gaps > 0) metrics.gaps.add(gaps);
        if (missing > 0) metrics.missing.add(missing);
        if (repeated > 0) metrics.repeated.add(repeated);
        if (reordered > 0) metrics.reordered.add(reordered);
        if (strays > 0) metrics.strays.add(strays);
        // Another load test's last one: ours publishes still.
        if (event.last && !options.isOurs(event.source)) options.onProblem(ANOTHER);
        else if (event.last) return void (over || finish());
        judgeTime(event.sentMs, message.timestamp);
        if (going) goWhereComplete();
        return;
      }
      const frame = readOther(text);
      if (frame === undefined) fail(`the gateway sent what is no frame: ${text.slice(0, 100)}`);
      else if (frame.type === 'PING') ws.send('{"type":"PONG"}');
      else if (frame.type === 'ERROR') fail(`${frame.code}: ${frame.message}`);
      else if (frame.channel === options.channel) ofChannel(frame);
    };
    function ofChannel({ type, id, recovered, ref, reason }: OtherFrame): void {
      if (type === 'SUBSCRIBED' && id && readyMs === Number.POSITIVE_INFINITY) subscribed(id, recovered);
      else if (type === 'UNSUBSCRIBED') fail(`UNSUBSCRIBED, which nobody asked for: ${reason}`);
      else if (type === 'RESYNC') resync();
      else if (type === 'STATE' && id && ref === GOING) {
        goal = id;
        goWhereComplete();
      } else if (type === 'STATE' && id && resyncs) {
        resyncs = false;
        audit.resynced(id);
      }
    }
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
    if (!ws) return;
    // Whoever is still waiting when it goes never got in.
    if (waits) metrics.connects.add(false);
    close(ws);
  }

  /** Who just went could never tell that nothing had come lately: it asks how far the channel is, and goes once it is there. */
  function depart(then: () => void): void {
    // It is on its way, or was never in.
    if (going) return;
    if (audit.position() === undefined) return then();
    const cancel = after(options.deadlineMs, () => {
      unproven();
      gone();
    });
    const gone = () => {
      cancel();
      going = undefined;
      then();
    };
    going = gone;
    goal = undefined;
    ask();
  }
  function ask(): void {
    if (socket && !waits) socket.send(JSON.stringify({ type: 'GET_STATE', channel: options.channel, ref: GOING }));
  }
  function goWhereComplete(): void {
    if (going && goal !== undefined && audit.reached(goal)) going();
  }
  /** Whether all came is not known, or known not to be so. */
  function unproven(): void {
    metrics.unfinished.add(1);
    if (options.published || goal !== undefined) metrics.missing.add(1);
  }

  function take(step: Step): void {
    if (over) return;
    const { does } = step;
    if (does === 'drop') disconnect();
    else if (does === 'leave') depart(step === options.steps.at(-1) ? finish : leave);
    else if (does === 'join' && going) replaced = true;
    else if (does === 'join') join();
    else {
      metrics.returns.add(1);
      if (socket === undefined) connect();
    }
  }
  function join(): void {
    audit = createAudit(options.channel);
    if (socket === undefined) connect();
  }
  function leave(): void {
    disconnect();
    if (!replaced) return;
    replaced = false;
    join();
  }

  function finish(): void {
    over = true;
    for (const takeBack of pending) takeBack();
    pending.clear();
    disconnect();
    metrics.unfinished.add(-1);
    options.onOver();
  }

  metrics.unfinished.add(1);
  for (const step of options.steps) at(step.atMs, () => take(step));
  const present = options.steps.at(-1)?.does !== 'leave';
  at(options.endMs, () => {
    if (!options.published && !going) return depart(finish);
    if (going || present) unproven();
    finish();
  });
}
