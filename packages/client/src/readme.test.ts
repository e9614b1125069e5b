/** The README says what is there: every option, handler, method and event; and its example runs. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Client, ClientOptions } from './api.js';
import { followBoard } from './board.js';
import { createClient } from './client.js';
import { TRANSITIONS } from './machine.js';
import { type ScriptedServer, startScriptedServer } from './scripted-server.test-support.js';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const readme = read('../README.md');
const api = read('./api.ts');
const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 10 });

function membersOf(name: string): string[] {
  const [, body = ''] = new RegExp(`export interface ${name}\\b[^{]*{\\n([\\s\\S]*?)\\n}`).exec(api) ?? [];
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(<]/gm)].map((match) => match[1] ?? '');
}

describe('the README', () => {
  it.each(['ClientOptions', 'Handlers', 'ClientEvents', 'Client', 'ConnectionState', 'Fallback', 'EventInfo'])(
    'names every member of %s',
    (name) => {
      const members = membersOf(name);
      expect(members.length).toBeGreaterThan(1);
      expect(members.filter((member) => !new RegExp(`\\b${member}\\b`).test(readme))).toEqual([]);
    },
  );

  it('has every place of the machine in its picture', () => {
    const places = Object.keys(TRANSITIONS).filter((place) => !readme.includes(place));
    expect(places).toEqual([]);
  });

  describe('has an example that', () => {
    let server: ScriptedServer;
    beforeEach(async () => {
      server = await startScriptedServer();
    });
    afterEach(() => server.close());

    /** Runs the example that contains `mark` with these names in reach. */
    function runExample(mark: string, surroundings: Readonly<Record<string, unknown>>): void {
      const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
      const code = examples.find((example) => example.includes(mark))?.replace(/^import .*$/m, '');
      new Function(...Object.keys(surroundings), code ?? 'throw new Error("no such example")')(
        ...Object.values(surroundings),
      );
    }

    it('runs against a cluster, with a token from the environment', async () => {
      const log = vi.fn();
      const clients: Client[] = [];
      runExample('process.env.TOKEN', {
        createClient: (options: ClientOptions) => {
          expect(options.url).toBe('ws://127.0.0.1:8765/ws');
          const client = createClient({ ...options, url: server.url, WebSocket });
          clients.push(client);
          return client;
        },
        process: { env: { TOKEN: 'token' } },
        console: { log },
      });
      await until(() => expect(log).toHaveBeenCalledWith('at', '7-0', []));
      server.publish('property:1012650001', 1, { count: 3, message: '3 open' });
      await until(() => expect(log).toHaveBeenCalledWith('VIOLATION_UPDATE', 3, '3 open'));
      clients[0]?.dispose();
    });

    it('follows a board', async () => {
      const log = vi.fn();
      const client = createClient({ url: server.url, WebSocket, getToken: () => 'token' });
      runExample('followBoard(', { client, followBoard, console: { log } });
      await until(() => expect(log).toHaveBeenCalledWith([]));
      server.publish('state:tasks', 1, { type: 'STATE_UPDATE', key: 'task-17', document: { title: 'boiler' } });
      await until(() => expect(log).toHaveBeenLastCalledWith([['task-17', { title: 'boiler' }]]));
      client.dispose();
    });

    it('does what it says', async () => {
      const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
      const [, body = '', end = ''] = /^import .*$([\s\S]*?)(^leave\(\)[\s\S]*)/m.exec(example) ?? [];
      const log = vi.fn();
      const storage = new Map<string, string>();
      const surroundings = {
        createClient: (options: ClientOptions) => createClient({ ...options, url: server.url, WebSocket }),
        fetch: async () => new Response('token'),
        localStorage: {
          getItem: (key: string) => storage.get(key) ?? null,
          setItem: (key: string, value: string) => void storage.set(key, value),
        },
        console: { log },
      };
      const run = new Function(...Object.keys(surroundings), `${body}; return () => { ${end} };`);
      const finish = run(...Object.values(surroundings)) as () => void;
      await until(() => expect(log).toHaveBeenCalledWith('now', []));
      server.publish('property:1012650001');
      await until(() => expect(log).toHaveBeenCalledWith('new', expect.objectContaining({ id: '7-1' })));
      expect(log).toHaveBeenCalledWith('connected', 'live', undefined);
      finish();
      expect(storage.get('belfry:property:1012650001')).toBe('7-1');
    });
  });
});
