/**
 * HTTP beside the WebSocket, on the same port: snapshots (`/v1/state`), recovery (`/v1/events`), Server-Sent Events
 * (`/v1/stream`) and tickets (`/v1/tickets`), for clients that cannot hold a socket open and for first paints. Same tokens,
 * same authorisation.
 */

import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { createHash } from 'node:crypto';
import { type AccessPolicy, authorise, type Identity, readableProperties, type Verify } from '@belfry/shared/auth';
import { ChannelBroken, type LogReader } from '@belfry/shared/log';
import { type PreferenceStore, type Preferences, parsePreferences } from '@belfry/shared/preferences';
import {
  type ErrorCode,
  formatPosition,
  type ParsedChannel,
  type Position,
  parseChannel,
  parsePosition,
  propertyChannel,
} from '@belfry/shared/protocol';
import { type Budgets, REDIS_TROUBLE_SENTENCES, redisTrouble } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import { TICKET_SECONDS } from '../cluster/tickets.js';
import { networkOf } from '../session/client-network.js';
import { type Body, createBodyReader, NO_BODY } from './body.js';
import type { CookieReader, OriginCheck } from './upgrade.js';

export interface HttpOptions {
  readonly verify: Verify;
  readonly accessPolicy: AccessPolicy;
  readonly hub: Pick<Hub, 'state'>;
  readonly log: LogReader;
  readonly originAllowed: OriginCheck;
  readonly cookie: CookieReader;
  readonly addressOf: (response: HttpResponse, forwardedFor: string) => string;
  readonly forwardedFor: (request: HttpRequest) => string;
  readonly requestsOfAddress: Budgets;
  readonly requestsOfUser: Budgets;
  /** Events that a user may have replayed. */
  readonly replays: Budgets;
  /** Channels without a log that a user may ask for: they get one. */
  readonly openings: Budgets;
  readonly preferences: PreferenceStore;
  /** A one-time ticket for the bearer of a token that was found good. */
  readonly issueTicket: (token: string) => Promise<string>;
  readonly retryAfterSeconds: () => number;
  /** Takes over an accepted request for a stream; answers it itself. */
  readonly openStream: (response: HttpResponse, request: StreamRequest) => void;
  readonly onFailure: (error: unknown) => void;
}

export interface StreamRequest {
  readonly token: string;
  readonly channels: readonly ParsedChannel[];
  readonly lastEventId: string;
  readonly forwardedFor: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** What a client asked for, read from the request before the first asynchronous turn. */
interface Asked {
  readonly query: URLSearchParams;
  readonly authorization: string;
  readonly cookies: string;
  readonly ifNoneMatch: string;
  readonly lastEventId: string;
  readonly forwardedFor: string;
  readonly origin: string;
  readonly fetchSite: string;
  /** The body, for methods that have one. */
  readonly body: Body;
}

/** More than a dashboard shows at once; bounds what one request may cost. */
const MAX_CHANNELS = 500;
const CHANNELS_PER_TOKEN = 50;

/** An answer that is not 200, with a code and a sentence. */
class Refusal extends Error {
  readonly status: string;
  readonly code: ErrorCode | 'forbidden_origin';
  readonly retryAfterSeconds: number | undefined;

  constructor(status: string, code: Refusal['code'], message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

interface Answer {
  readonly status: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

const JSON_TYPE = ['content-type', 'application/json'] as const;
const NOT_STORED = ['cache-control', 'private, no-cache'] as const;

export function registerHttp(app: TemplatedApp, options: HttpOptions): void {
  const { hub, log } = options;
  const readBody = createBodyReader();

  async function identify(asked: Asked): Promise<{ identity: Identity; token: string; lasting: string }> {
    const token =
      /^Bearer +(\S+)$/i.exec(asked.authorization)?.[1] ??
      asked.query.get('token') ??
      options.cookie(asked.cookies, asked.origin, asked.fetchSite) ??
      '';
    if (token === '') throw new Refusal('401 Unauthorized', 'not_authenticated', 'send Authorization: Bearer <token>');
    const verification = await options.verify(token);
    if (!verification.ok && verification.code === 'unavailable') throw unavailable(verification.message);
    if (!verification.ok) throw new Refusal('401 Unauthorized', verification.code, verification.message);
    const cost = Math.max(1, Math.ceil(asked.query.size / CHANNELS_PER_TOKEN));
    withinBudget(options.requestsOfUser.take(verification.identity.userId, cost));
    // A ticket is used up now: the stream's session is opened with what stands behind it.
    return { identity: verification.identity, token, lasting: verification.token ?? token };
  }

  function channelsOf(asked: Asked, identity: Identity): ParsedChannel[] {
    const names = [...asked.query.getAll('channel'), ...asked.query.getAll('property_id').map(propertyChannel)];
    if (names.length === 0)
      throw new Refusal('400 Bad Request', 'bad_channel', 'name at least one channel: ?channel=…');
    if (names.length > MAX_CHANNELS)
      throw new Refusal('400 Bad Request', 'bad_channel', `name at most ${MAX_CHANNELS} channels`);
    return names.map((name) => {
      const channel = parseChannel(name);
      if (!channel)
        throw new Refusal('400 Bad Request', 'bad_channel', `${JSON.stringify(name.slice(0, 80))} is no channel`);
      if (authorise(identity, 'read', channel, options.accessPolicy)) return channel;
      throw new Refusal('403 Forbidden', 'forbidden', `the token does not allow ${channel.channel}`);
    });
  }

  async function state(asked: Asked): Promise<Answer> {
    const { identity } = await identify(asked);
    const channels = channelsOf(asked, identity).map(({ channel }) => channel);
    const positions = await log.positions(channels);
    const unknown = positions.filter((position) => position === undefined).length;
    if (unknown > 0) withinBudget(options.openings.take(identity.userId, unknown));
    const before = tagOf(channels, positions);
    if (before !== undefined && asked.ifNoneMatch === before) {
      return { status: '304 Not Modified', headers: [['etag', before], NOT_STORED], body: '' };
    }
    const readings = await Promise.all(channels.map((channel) => hub.state(channel)));
    const tag = tagOf(
      channels,
      readings.map(({ position }) => position),
    ) as string;
    const states = readings.map(
      ({ position, snapshot }, index) =>
        `{"channel":"${channels[index]}","id":"${formatPosition(position)}","events":[${(snapshot ?? []).join(',')}]}`,
    );
    return {
      status: '200 OK',
      headers: [JSON_TYPE, NOT_STORED, ['etag', tag]],
      body: `{"channels":[${states.join(',')}]}\n`,
    };
  }

  async function events(asked: Asked): Promise<Answer> {
    const { identity } = await identify(asked);
    const [channel, ...others] = channelsOf(asked, identity);
    if (!channel || others.length > 0) throw new Refusal('400 Bad Request', 'bad_channel', 'name one channel');
    const given = asked.query.get('after');
    const after = given === null ? undefined : parsePosition(given);
    if (given !== null && !after)
      throw new Refusal('400 Bad Request', 'bad_message', 'after must be "<epoch>-<offset>"');
    withinBudget(options.replays.take(identity.userId, 0));
    const reading = await log.read(channel.channel, { from: after, last: 0, snapshot: 'broken', begin: false });
    const recovered = after !== undefined && reading.continuous;
    const cost = after && !recovered ? 1 + (reading.snapshot?.length ?? 0) : reading.entries.length;
    options.replays.charge(identity.userId, cost);
    const frames = recovered ? reading.entries.flatMap(({ frame }) => frame ?? []) : (reading.snapshot ?? []);
    const head = `{"channel":"${channel.channel}","id":"${formatPosition(reading.position)}","recovered":${recovered}`;
    return { status: '200 OK', headers: [JSON_TYPE, NOT_STORED], body: `${head},"events":[${frames.join(',')}]}\n` };
  }

  /** For a client that has to put its credential into a URL. */
  async function ticket(asked: Asked): Promise<Answer> {
    const { lasting, token } = await identify(asked);
    if (lasting !== token) throw new Refusal('401 Unauthorized', 'token_invalid', 'a ticket is given for a token');
    const body = JSON.stringify({ ticket: await options.issueTicket(token), expires_in: TICKET_SECONDS });
    return { status: '201 Created', headers: [JSON_TYPE, ['cache-control', 'no-store']], body: `${body}\n` };
  }

  async function readPreferences(asked: Asked): Promise<Answer> {
    const { identity } = await identify(asked);
    return withUndeliverable(await options.preferences.read(identity.userId));
  }

  /** The user's own, and of those what the token allows to read now. */
  async function undelivered(asked: Asked): Promise<Answer> {
    const { identity } = await identify(asked);
    const mayRead = (id: string): boolean => {
      const channel = parseChannel(propertyChannel(id));
      return channel !== undefined && authorise(identity, 'read', channel, options.accessPolicy);
    };
    const kept = await options.preferences.undelivered.read(identity.userId);
    const shown = kept.flatMap((one) => {
      const events = one.events.filter(({ property_id }) => mayRead(property_id));
      return events.length === 0 ? [] : { ...one, events };
    });
    const body = JSON.stringify({ undelivered: shown });
    return { status: '200 OK', headers: [JSON_TYPE, NOT_STORED], body: `${body}\n` };
  }

  /** Rules are kept also where nothing leaves by their ways: it may from tomorrow on. Nobody shall rely on it until then. */
  async function withUndeliverable(preferences: Preferences): Promise<Answer> {
    const undeliverable = await options.preferences.ways.missingFor(preferences);
    const body = JSON.stringify(undeliverable.length > 0 ? { ...preferences, undeliverable } : preferences);
    return { status: '200 OK', headers: [JSON_TYPE, NOT_STORED], body: `${body}\n` };
  }

  /** What a user may read by the newest token bounds what the rules speak of. */
  async function writePreferences(asked: Asked): Promise<Answer> {
    const { identity } = await identify(asked);
    const parsed = parsePreferences(await json(asked.body));
    if ('error' in parsed) throw new Refusal('400 Bad Request', 'bad_message', parsed.error);
    const readable = () => readableProperties(identity, options.accessPolicy);
    await options.preferences.write({ ...identity, readable }, parsed.preferences);
    return withUndeliverable(parsed.preferences);
  }

  async function stream(asked: Asked): Promise<StreamRequest> {
    const { identity, lasting } = await identify(asked);
    const channels = channelsOf(asked, identity);
    const { lastEventId, forwardedFor } = asked;
    return { token: lasting, channels, lastEventId, forwardedFor, headers: crossOrigin(asked.origin) };
  }

  function crossOrigin(origin: string): [string, string][] {
    if (origin === '') return [];
    return [
      ['access-control-allow-origin', origin],
      ['access-control-allow-credentials', 'true'],
      ['access-control-expose-headers', 'etag, retry-after'],
      ['vary', 'origin'],
    ];
  }

  function withinBudget(waitMs: number): void {
    if (waitMs > 0) throw rateLimited(waitMs);
  }

  /** What costs an address a request though nobody has to sign it, or there is nothing. */
  function counted(answer: (response: HttpResponse, request: HttpRequest) => void) {
    return (response: HttpResponse, request: HttpRequest): void => {
      const address = options.addressOf(response, options.forwardedFor(request));
      const waitMs = options.requestsOfAddress.take(networkOf(address));
      if (waitMs === 0) answer(response, request);
      else refuse(response, rateLimited(waitMs), '');
    };
  }

  function asked(request: HttpRequest, body: Body = NO_BODY): Asked {
    const origin = request.getHeader('origin');
    if (!options.originAllowed(origin))
      throw new Refusal('403 Forbidden', 'forbidden_origin', 'this origin is not allowed');
    return {
      query: new URLSearchParams(request.getQuery()),
      authorization: request.getHeader('authorization'),
      cookies: request.getHeader('cookie'),
      ifNoneMatch: request.getHeader('if-none-match'),
      lastEventId: request.getHeader('last-event-id'),
      forwardedFor: options.forwardedFor(request),
      origin,
      fetchSite: request.getHeader('sec-fetch-site'),
      body,
    };
  }

  function refusalOf(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    const trouble = redisTrouble(error);
    if (trouble) return unavailable(REDIS_TROUBLE_SENTENCES[trouble]);
    if (error instanceof ChannelBroken) return unavailable('the log cannot be read at the moment');
    options.onFailure(error);
    return new Refusal('500 Internal Server Error', 'internal', 'the request failed; it has been logged');
  }

  const unavailable = (message: string): Refusal =>
    new Refusal('503 Service Unavailable', 'unavailable', message, options.retryAfterSeconds());

  function refuse(response: HttpResponse, error: unknown, origin: string): void {
    const { status, code, message, retryAfterSeconds } = refusalOf(error);
    const retry: [string, string][] =
      retryAfterSeconds === undefined ? [] : [['retry-after', String(retryAfterSeconds)]];
    const headers = [JSON_TYPE, ...retry, ...(code === 'forbidden_origin' ? [] : crossOrigin(origin))];
    send(response, { status, headers, body: `${JSON.stringify({ code, message })}\n` });
  }

  function send(response: HttpResponse, answer: Answer): void {
    response.cork(() => {
      response.writeStatus(answer.status);
      for (const [name, value] of answer.headers) response.writeHeader(name, value);
      response.end(answer.body);
    });
  }

  /** Runs `handle`, and `answer` with its result unless the client has gone meanwhile. Nothing in it can throw outwards. */
  function answering<T>(
    handle: (asked: Asked) => Promise<T>,
    answer: (response: HttpResponse, result: T, origin: string) => void,
  ) {
    return (response: HttpResponse, request: HttpRequest): void => {
      let aborted = false;
      const body = request.getMethod() === 'put' ? readBody(response) : undefined;
      response.onAborted(() => {
        aborted = true;
        body?.discard();
      });
      const origin = request.getHeader('origin');
      const address = options.addressOf(response, options.forwardedFor(request));
      // Inside a promise from the first line: a handler that throws would end the process.
      new Promise<T>((resolve) => {
        withinBudget(options.requestsOfAddress.take(networkOf(address)));
        resolve(handle(asked(request, body)));
      })
        .then(
          (result) => {
            if (!aborted) answer(response, result, origin);
          },
          (error: unknown) => {
            if (!aborted) refuse(response, error, origin);
          },
        )
        .finally(() => body?.discard());
    };
  }

  const sendWithOrigin = (response: HttpResponse, answer: Answer, origin: string): void =>
    send(response, { ...answer, headers: [...answer.headers, ...crossOrigin(origin)] });

  app.get('/v1/state', answering(state, sendWithOrigin));
  app.get('/v1/events', answering(events, sendWithOrigin));
  app.get('/v1/preferences', answering(readPreferences, sendWithOrigin));
  app.put('/v1/preferences', answering(writePreferences, sendWithOrigin));
  app.get('/v1/undelivered', answering(undelivered, sendWithOrigin));
  app.post('/v1/tickets', answering(ticket, sendWithOrigin));
  app.get('/v1/stream', answering(stream, options.openStream));
  const preflight = (response: HttpResponse, request: HttpRequest): void => {
    const origin = request.getHeader('origin');
    const headers: [string, string][] = options.originAllowed(origin)
      ? [
          ...crossOrigin(origin),
          ['access-control-allow-methods', 'GET, POST, PUT'],
          ['access-control-allow-headers', 'authorization, content-type, if-none-match, last-event-id'],
          ['access-control-max-age', '600'],
        ]
      : [];
    send(response, { status: '204 No Content', headers, body: '' });
  };
  app.options('/v1/*', counted(preflight));
  const nothingThere = (response: HttpResponse): void => {
    const body =
      '{"code":"not_found","message":"connect by WebSocket to /ws, or ask /v1/state, /v1/events, /v1/stream"}\n';
    send(response, { status: '404 Not Found', headers: [JSON_TYPE], body });
  };
  app.any('/*', counted(nothingThere));
}

/** Changes whenever one of the channels does; undefined where a channel has no log yet. */
function tagOf(channels: readonly string[], positions: readonly (Position | undefined)[]) {
  if (positions.includes(undefined)) return undefined;
  const hash = createHash('sha256');
  positions.forEach((position, index) => {
    hash.update(`${channels[index]} ${position && formatPosition(position)}\n`);
  });
  return `"${hash.digest('base64url').slice(0, 22)}"`;
}

const rateLimited = (waitMs: number): Refusal =>
  new Refusal('429 Too Many Requests', 'rate_limited', 'Rate limit exceeded', Math.ceil(waitMs / 1000));

const BODY_REFUSALS = {
  too_large: () => new Refusal('413 Payload Too Large', 'bad_message', 'a body may have 1 MB'),
  too_much: () => new Refusal('503 Service Unavailable', 'unavailable', 'too much is being sent at once; wait', 1),
};

async function json(body: Body): Promise<unknown> {
  const read = await body.read();
  if ('refused' in read) throw BODY_REFUSALS[read.refused]();
  try {
    return JSON.parse(read.text);
  } catch {
    throw new Refusal('400 Bad Request', 'bad_message', 'the body is not JSON');
  }
}
