/** The README says what is there: every option, handler, method and event; and its example runs. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { ClientOptions } from './api.js';
import { createClient } from './client.js';
import { TRANSITIONS } from './machine.js';
import { type ScriptedServer, startScriptedServer } from './scripted-server.test-support.js';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const readme = read('../README.md');
const api = read('./api.ts');

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
      await vi.waitFor(() => expect(log).toHaveBeenCalledWith('now', []));
      server.publish('property:1012650001');
      await vi.waitFor(() => expect(log).toHaveBeenCalledWith('new', expect.objectContaining({ id: '7-1' })));
      expect(log).toHaveBeenCalledWith('connected', 'live', undefined);
      finish();
      expect(storage.get('belfry:property:1012650001')).toBe('7-1');
    });
  });
});
