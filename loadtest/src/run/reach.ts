/**
 * Before a load test of a given cluster: is anybody at these addresses, and do they accept the token? A wrong address or
 * secret is said at once, and not by a run in which nothing worked. Whatever is not certain is left to the run.
 */
import { accessSync, constants, lstatSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { mintToken } from '@belfry/testkit';
import { WebSocket } from 'ws';
import { SetupError } from '../../../scripts/steps.mjs';
import type { Settings } from '../k6/settings.ts';

/** Who has not answered by then may be slow: the run tells. */
const PATIENCE_MS = 5_000;

/** Nobody is there. Other errors may be ours alone: k6 has its own certificates, for instance. */
const NOBODY = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH']);

/** k6 goes through them, and we do not. */
const PROXIES = ['http_proxy', 'https_proxy', 'all_proxy'];

/**
 * Makes room for the result: that of an earlier run would pass for this one's where this one comes to none.
 * @throws SetupError where the result could not be written at the end
 */
export function clearSummary(file: string): void {
  if (file === '') return;
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SetupError(`--summary ${file}: that is a folder. Name a file in it.`);
  }
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch {
    throw new SetupError(`--summary ${file}: there is no such folder, or nothing can be written there.`);
  }
  // Nothing else: it may be a pipe, or /dev/stdout.
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile()) rmSync(file);
}

/** @throws SetupError with what is wrong, and where to look */
export async function checkReach(settings: Settings, env: Readonly<Record<string, string | undefined>>): Promise<void> {
  if (PROXIES.some((name) => env[name] || env[name.toUpperCase()])) return;
  const token = settings.token || mintToken({ user_id: 'load-1', role: 'MANAGER', properties: '*' }, settings);
  const shown = settings.token === '' ? "Is JWT_SECRET the gateways'?" : 'Is LOAD_TOKEN right?';
  for (const url of settings.gateway.split(',')) await checkGateway(url, token, shown);
  if (settings.publisher !== '') await checkPublisher(settings.publisher, settings.publisherToken);
}

async function checkGateway(url: string, token: string, shown: string): Promise<void> {
  const socket = new WebSocket(url, { handshakeTimeout: PATIENCE_MS });
  let timer: NodeJS.Timeout | undefined;
  try {
    const problem = await new Promise<string | undefined>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, undefined);
      socket.on('error', (error) => resolve(nobody(error, 'gateway')));
      socket.on('unexpected-response', (request, { statusCode }) => {
        request.destroy();
        resolve(`it answers HTTP ${statusCode} and not as a WebSocket. Is --gateway right, as ws://host:8765/ws?`);
      });
      socket.on('open', () => {
        socket.send(JSON.stringify({ type: 'AUTHENTICATE', token }));
        socket.send(JSON.stringify({ type: 'SUBSCRIBE', channel: 'property:load-0' }));
      });
      socket.on('message', (data) => {
        const frame = readFrame(`${data}`);
        if (frame === undefined) resolve('it is a WebSocket, but no gateway of Belfry. Is --gateway right?');
        if (frame?.type === 'SUBSCRIBED') resolve(undefined);
        if (frame?.type === 'ERROR') resolve(`${frame.code}: ${frame.message}. ${shown}`);
      });
      socket.on('close', () => resolve(undefined));
    });
    if (problem !== undefined) throw new SetupError(`${url}: ${problem}`);
  } finally {
    clearTimeout(timer);
    socket.terminate();
  }
}

/** Undefined where it is no JSON object: whoever sends that is something else. */
function readFrame(text: string): { type?: string; code?: string; message?: string } | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === 'object' && frame !== null ? frame : undefined;
  } catch {
    return undefined;
  }
}

/** An empty list is refused by the intake, so nothing is published; but only behind the door's own questions. */
async function checkPublisher(url: string, token: string): Promise<void> {
  let status: number;
  try {
    const response = await fetch(`${url.replace(/\/$/, '')}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: '[]',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    status = response.status;
    await response.body?.cancel();
  } catch (error) {
    const problem = nobody((error as Error).cause, 'publisher');
    if (problem === undefined) return;
    throw new SetupError(`${url}: ${problem}`);
  }
  if (status === 401 || status === 403)
    throw new SetupError(`${url}: it answers HTTP ${status}. Is PUBLISHER_TOKEN right?`);
  if (status === 404 || status === 405) {
    throw new SetupError(`${url}: it answers HTTP ${status}. Is --publisher right, as http://host:8770?`);
  }
}

function nobody(error: unknown, option: string): string | undefined {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string };
  return NOBODY.has(code) ? `nobody is there (${message || code}). Is --${option} right?` : undefined;
}
