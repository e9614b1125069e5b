/** The scenarios, with the client in Node, over real sockets. */
import { afterEach, beforeEach, describe } from 'vitest';
import { WebSocket } from 'ws';
import type { Client } from './api.js';
import { createClient } from './client.js';
import { describeScenarios, type Subject } from './scenarios.test-support.js';
import { type ScriptedServer, startScriptedServer } from './scripted-server.test-support.js';
import { record } from './subject.test-support.js';

let server: ScriptedServer;
let client: Client | undefined;
let subject: Subject;
/** Without WELCOME's advice a client would wait for up to 5 s. */
const random = () => (1 + Math.random()) / 20;

beforeEach(async () => {
  server = await startScriptedServer();
  let lines: readonly string[] = [];
  subject = {
    open: async (url, channels, { state = false, connectTimeoutMs = 15_000 } = {}) => {
      const opened = createClient({
        url,
        WebSocket,
        getToken: () => 'token',
        fallback: false,
        connectTimeoutMs,
        random,
      });
      client = opened;
      lines = record(opened, channels, state);
    },
    lines: async () => lines,
    state: async () => {
      if (!client) throw new Error('not opened');
      return client.state;
    },
  };
});
afterEach(async () => {
  client?.dispose();
  client = undefined;
  await server.close();
});

describe('in Node', () => {
  describeScenarios(() => ({ server, subject }));
});
