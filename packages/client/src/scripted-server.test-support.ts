/**
 * A gateway on a real socket that keeps the protocol, unless a test gives it a script to misbehave by. Its log is in
 * memory; its advice makes clients come back quickly.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { parsePosition, type SubscribeMessage } from '@belfry/shared/protocol';
import { type WebSocket, WebSocketServer } from 'ws';

export interface Event {
  readonly id: string;
  readonly type: string;
  readonly channel: string;
  readonly [field: string]: unknown;
}

export interface Peer {
  readonly socket: WebSocket;
  readonly received: readonly Readonly<Record<string, unknown>>[];
  readonly joined: ReadonlySet<string>;
  send(message: Readonly<Record<string, unknown>>): void;
}

export interface Script {
  /** Instead of WELCOME. */
  readonly connected?: (peer: Peer) => void;
  /** @returns true when the message was dealt with */
  readonly message?: (peer: Peer, message: Readonly<Record<string, unknown>>) => boolean;
  /** What is sent for a live event, instead of the event. */
  readonly live?: (event: Event, peer: Peer) => readonly (Event | string)[];
  /** What is sent as replay, instead of these events. */
  readonly replay?: (events: readonly Event[]) => readonly (Event | string)[];
  /** Instead of the upgrade. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex) => void;
}

export interface ScriptedServer {
  readonly url: string;
  /** All that ever connected, in order. */
  readonly peers: readonly Peer[];
  /** When each came, by `performance.now()`. */
  readonly attempts: readonly number[];
  /** How it behaves from now on; well, where nothing is said. */
  script(script: Script): void;
  /** Appends and sends it to whoever joined. */
  publish(channel: string, count?: number, fields?: Readonly<Record<string, unknown>>): void;
  /** The log forgets all but the last `keep` events. */
  trim(channel: string, keep: number): void;
  newEpoch(channel: string): void;
  /** Everybody is cut off without a word. */
  cut(): void;
  close(): Promise<void>;
}

const HEARTBEAT_SECONDS = 30;

export async function startScriptedServer(): Promise<ScriptedServer> {
  const http = createServer((_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ noServer: true });
  const peers: Peer[] = [];
  const logs = new Map<string, { epoch: number; offset: number; events: Event[] }>();
  let script: Script = {};
  const attempts: number[] = [];

  const logOf = (channel: string) => {
    const log = logs.get(channel) ?? { epoch: 7, offset: 0, events: [] };
    logs.set(channel, log);
    return log;
  };
  const positionOf = (channel: string) => `${logOf(channel).epoch}-${logOf(channel).offset}`;
  const write = (socket: WebSocket, frame: Event | string) =>
    socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));

  function subscribe(peer: Peer & { joined: Set<string> }, message: SubscribeMessage): void {
    for (const channel of message.channels ?? []) {
      const { events, epoch } = logOf(channel);
      const after = (message.after as Readonly<Record<string, string>> | undefined)?.[channel];
      const index = events.findIndex(({ id }) => id === after);
      const fromTheStart = after === `${epoch}-0` && (events.length === 0 || events[0]?.id === `${epoch}-1`);
      const board = channel.startsWith('state:');
      const known = !board && (after === undefined || index !== -1 || fromTheStart || after === positionOf(channel));
      const rewound = events.slice(events.length - (message.rewind ?? 0));
      const missed = after === undefined ? rewound : events.slice(index + 1);
      const asked = board || after !== undefined || message.rewind !== undefined;
      peer.send({
        type: 'SUBSCRIBED',
        channel,
        id: positionOf(channel),
        replay: known ? missed.length : 0,
        ...(asked && { recovered: known }),
        ref: message.ref,
      });
      if (known) for (const frame of script.replay?.(missed) ?? missed) write(peer.socket, frame);
      else peer.send({ type: 'STATE', channel, id: positionOf(channel), events: events.slice(-1) });
      peer.joined.add(channel);
    }
  }

  function behave(peer: Peer & { joined: Set<string> }, message: Readonly<Record<string, unknown>>): void {
    const { type, ref } = message;
    const channels = (message.channels ?? [message.channel]) as readonly string[];
    if (type === 'AUTHENTICATE') {
      peer.send({ type: 'AUTHENTICATED', user_id: 'manager', expires_at: Date.now() / 1000 + 3600, channels: [], ref });
    } else if (type === 'SUBSCRIBE') subscribe(peer, message as unknown as SubscribeMessage);
    else if (type === 'UNSUBSCRIBE') for (const channel of channels) peer.joined.delete(channel);
    else if (type === 'GET_STATE') {
      for (const channel of channels) {
        peer.send({ type: 'STATE', channel, id: positionOf(channel), events: logOf(channel).events.slice(-1), ref });
      }
    } else if (type === 'PING') peer.send({ type: 'PONG', ref });
  }

  http.on('upgrade', (request, socket, head) => {
    attempts.push(performance.now());
    if (script.upgrade) return script.upgrade(request, socket);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const received: Readonly<Record<string, unknown>>[] = [];
      const peer = {
        socket: webSocket,
        received,
        joined: new Set<string>(),
        send: (message: Readonly<Record<string, unknown>>) => webSocket.send(JSON.stringify(message)),
      };
      peers.push(peer);
      webSocket.on('error', () => webSocket.terminate());
      webSocket.on('message', (data) => {
        const message = JSON.parse(String(data));
        received.push(message);
        if (!script.message?.(peer, message)) behave(peer, message);
      });
      if (script.connected) script.connected(peer);
      else welcome(peer);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));

  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/ws`,
    peers,
    attempts,
    script: (next) => {
      script = next;
    },
    publish: (channel, count = 1, fields = {}) => {
      const log = logOf(channel);
      for (let index = 0; index < count; index++) {
        log.offset++;
        const event = {
          id: positionOf(channel),
          type: 'VIOLATION_UPDATE',
          channel,
          timestamp: Date.now() / 1000,
          ...fields,
        };
        log.events.push(event);
        for (const peer of peers) {
          if (!peer.joined.has(channel) || peer.socket.readyState !== peer.socket.OPEN) continue;
          for (const frame of script.live?.(event, peer) ?? [event]) write(peer.socket, frame);
        }
      }
    },
    trim: (channel, keep) => {
      const log = logOf(channel);
      log.events = log.events.slice(log.events.length - keep);
    },
    newEpoch: (channel) => {
      const log = logOf(channel);
      log.epoch++;
      log.offset = 0;
    },
    cut: () => {
      for (const { socket } of peers) socket.terminate();
    },
    close: async () => {
      for (const { socket } of peers) socket.terminate();
      sockets.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

export function welcome(peer: Peer, fields: Readonly<Record<string, unknown>> = {}): void {
  peer.send({
    type: 'WELCOME',
    connection_id: 'c1',
    server_time: Date.now() / 1000,
    heartbeat_interval: HEARTBEAT_SECONDS,
    reconnect: { first_ms: 20, max_ms: 100 },
    protocol: 1,
    node: 'scripted',
    ...fields,
  });
}

/** The offset of an event. */
export const offsetOf = ({ id }: Event): number => parsePosition(id)?.offset ?? 0;
