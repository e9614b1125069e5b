/** A wrong address or secret is said before the run, with where to look; whatever is not certain is left to the run. */
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mintToken, ownFolder } from '@belfry/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { readSettings } from '../k6/settings.ts';
import { checkReach, clearSummary } from './reach.ts';

const SECRET = 'a-secret-of-32-characters-or-more';

/** A cluster of which only the doors are there; it remembers what it was shown. */
async function doors(frame: unknown, status: number) {
  const shown: string[] = [];
  const server: Server = createServer((request, response) => {
    shown.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.writeHead(status).end();
  });
  const sockets = new WebSocketServer({ server, path: '/ws' });
  sockets.on('connection', (socket) => {
    socket.once('message', () => socket.send(JSON.stringify(frame)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  stops.push(() => {
    sockets.close();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { gateway: `ws://${host}/ws`, publisher: `http://${host}`, shown };
}

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const check = (given: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) =>
  checkReach(
    readSettings('fanout', (name) => ({ secret: SECRET, publisherToken: 'shown', ...given })[name as string]),
    env,
  );

const SUBSCRIBED = { type: 'SUBSCRIBED', channel: 'property:load-0', id: '1-0' };

describe('before a load test of a given cluster', () => {
  it('nothing is said where gateway and publisher answer, and nothing is published', async () => {
    const { gateway, publisher, shown } = await doors(SUBSCRIBED, 400);
    await check({ gateway, publisher });
    expect(shown).toEqual(['POST /v1/events Bearer shown']);
  });

  it('an address where nobody is, is named with its option', async () => {
    const { gateway, publisher } = await doors(SUBSCRIBED, 400);
    await stops.pop()?.();
    await expect(check({ gateway, publisher })).rejects.toThrow(`${gateway}: nobody is there`);
    const there = await doors(SUBSCRIBED, 400);
    await expect(check({ gateway: there.gateway, publisher })).rejects.toThrow('Is --publisher right?');
    await expect(check({ gateway }, { HTTPS_PROXY: 'http://proxy' })).resolves.toBeUndefined();
  });

  it('an address of something else is named with what it answers', async () => {
    const { gateway, publisher } = await doors(SUBSCRIBED, 404);
    await expect(check({ gateway: gateway.replace('/ws', '/else') })).rejects.toThrow('it answers HTTP 400');
    await expect(check({ gateway, publisher })).rejects.toThrow('it answers HTTP 404. Is --publisher right');
  });

  it('a WebSocket of something else is told from a gateway by its first word', async () => {
    const { gateway } = await doors('welcome', 400);
    await expect(check({ gateway })).rejects.toThrow(`${gateway}: it is a WebSocket, but no gateway of Belfry.`);
  });

  it('a token that is refused is named with where it comes from', async () => {
    const { gateway } = await doors({ type: 'ERROR', code: 'token_invalid', message: 'it does not fit' }, 400);
    await expect(check({ gateway })).rejects.toThrow("token_invalid: it does not fit. Is JWT_SECRET the gateways'?");
    const token = mintToken({ user_id: 'load-1' });
    await expect(check({ gateway, token })).rejects.toThrow('Is LOAD_TOKEN right?');
    const closed = await doors(SUBSCRIBED, 401);
    await expect(check({ gateway: closed.gateway, publisher: closed.publisher })).rejects.toThrow(
      'Is PUBLISHER_TOKEN right?',
    );
  });

  it('a folder for the result that is not there is found, too', () => {
    expect(() => clearSummary('no-such-folder/result.json')).toThrow('--summary no-such-folder/result.json');
    expect(() => clearSummary('.')).toThrow('--summary .: that is a folder.');
    expect(() => clearSummary('result.json')).not.toThrow();
  });

  it('the result of an earlier one is removed, as it would pass for this one where this one is killed', async () => {
    const folder = ownFolder('summary');
    stops.push(async () => folder.remove());
    const [file, link] = [join(folder.path, 'result.json'), join(folder.path, 'stdout')];
    writeFileSync(file, '{"passed":true}');
    symlinkSync('/dev/null', link);
    clearSummary(file);
    clearSummary(link);
    expect([existsSync(file), existsSync(link)]).toEqual([false, true]);
  });
});
