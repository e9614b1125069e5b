/** What the documentation tells people to do, done as written against a real cluster. Only ports and tokens are filled in. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Frame, TestClient, TestGateway, TestProcess, TestRedis } from '@belfry/testkit';
import {
  connect,
  mintOperatorToken,
  mintToken,
  ownFolder,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../scripts/setup.mjs';
import { isGoThere, isThere, type OutsideProgram, pythonWithWebsockets, startOutside } from './outside-tools.js';

const read = (document: string) => readFileSync(join(ROOT, document), 'utf8');

interface Example {
  readonly language: string;
  readonly code: string;
  /** The first of its programs, for the test's name. */
  readonly program: string;
}

/** The blocks of a document that are marked `<!-- test: kind -->`. */
function examples(document: string, kind: string): Example[] {
  const block = new RegExp(`<!-- test: ${kind} -->\\n\`\`\`(\\w+)\\n([\\s\\S]*?)\`\`\``, 'g');
  return [...read(document).matchAll(block)].map(([, language = '', code = '']) => ({
    language,
    code,
    program: language === 'sh' ? (code.split(' ')[0] ?? '') : language,
  }));
}

let redis: TestRedis;
let gateways: TestGateway[];
let publisher: TestProcess;
const token = mintToken({ user_id: 'manager-7' });
const programs: OutsideProgram[] = [];
const clients: TestClient[] = [];

beforeAll(async () => {
  redis = await startRedis();
  const env = { REDIS_URL: redis.url };
  [gateways, publisher] = await Promise.all([
    Promise.all(
      ['gateway-1', 'gateway-2'].map((NODE_NAME) =>
        startGateway({ ...env, NODE_NAME, ACCESS_POLICY: 'authenticated' }),
      ),
    ),
    startPublisher({ ...env, JWT_SECRET: TEST_SECRET }),
  ]);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await Promise.all(programs.splice(0).map((program) => program.stop()));
});
afterAll(async () => {
  await goFolder.remove();
  await Promise.all([...(gateways ?? []), publisher].map((process) => process?.stop()));
  await redis?.stop();
});

const python = await pythonWithWebsockets();
const missing = new Map<string, boolean>();
for (const command of ['curl', 'redis-cli']) missing.set(command, !(await isThere(command)));
if (python.missing) missing.set('python', true);
missing.set('go', !(await isGoThere()));
const goFolder = ownFolder('go-example');
for (const [program, is] of missing) if (is) console.log(`skipped: examples with ${program}, which is not there`);

/** Runs an example as it stands in the document. */
function start({ language, code }: Example, variables: Readonly<Record<string, string>> = {}): OutsideProgram {
  const written = code
    .replaceAll('8765', String(gateways[0]?.port))
    .replaceAll('8766', String(gateways[1]?.port))
    .replaceAll('8770', String(publisher.port))
    .replaceAll('9765', String(gateways[0]?.operatorPort))
    .replaceAll('9770', String(publisher.operatorPort))
    .replaceAll('<token>', token);
  // Node 20 has the browser's WebSocket behind an option.
  const node = [process.execPath, ['--experimental-websocket', '--no-warnings', '--input-type=module']] as const;
  const goFile = join(goFolder.path, 'report.go');
  if (language === 'go') writeFileSync(goFile, written);
  const [command, args] = {
    go: ['go', ['run', goFile]],
    sh: ['sh', [] as string[]],
    python: ['python3', ['-']],
    js: node,
  }[language] ?? ['false', []];
  const program = startOutside(command as string, args as string[], {
    input: written,
    env: { ...python.env, REDIS_URL: redis.url, ...variables },
  });
  programs.push(program);
  return program;
}

const PROPERTY = '1012650001';
async function watcher(): Promise<TestClient> {
  const client = await connect((gateways[1] as TestGateway).wsUrl, { token });
  clients.push(client);
  client.send({ type: 'SUBSCRIBE', property_id: PROPERTY });
  await client.next('SUBSCRIBED');
  return client;
}
async function post(path: string, body: unknown): Promise<number> {
  const response = await fetch(`${publisher.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await response.text();
  return response.status;
}

/** Whether every example of a program was found: a mark that is misspelt would test nothing. */
const programsOf = (kind: string) => examples('README.md', kind).map(({ program }) => program);

describe('README.md', () => {
  it('shows how to report with curl, redis-cli, Node and Python, and how to connect', () => {
    expect(programsOf('report')).toEqual(['curl', 'redis-cli', 'js', 'python']);
    expect(programsOf('connect')).toEqual(['js', 'python', 'curl']);
  });

  it.each(examples('README.md', 'report'))('reports a change with $program', async (example) => {
    if (missing.get(example.program)) return;
    const client = await watcher();
    const program = start(example);
    const count = Number(/"?count"?: (\d+)/.exec(example.code)?.[1]);
    const event = await client.next('VIOLATION_UPDATE', (frame) => frame.count === count, { deadlineMs: 30_000 });
    expect(event).toMatchObject({ property_id: PROPERTY });
    expect(await program.ended, program.output()).toBe(0);
  });

  let count = 1000;
  it.each(examples('README.md', 'connect'))('connects with $program', async (example) => {
    if (missing.get(example.program)) return;
    const program = start(example);
    await program.says('SUBSCRIBED', { deadlineMs: 30_000 });
    count += 1;
    expect(await post('/v1/changes', { property_id: PROPERTY, violation_type: 'HPD', count })).toBe(202);
    // Not the number alone: a position or a time may hold it too.
    expect(await program.says(`: ${count} open`)).toContain('VIOLATION_UPDATE');
  });

  it('shows how to sign a user’s token with our script and with Node', () => {
    expect(programsOf('sign')).toEqual(['printf', 'js']);
  });

  it.each(examples('README.md', 'sign'))('signs a user’s token with $program', async (example) => {
    const code = example.code.replaceAll('a-secret-of-32-characters-or-more', TEST_SECRET);
    const program = start({ ...example, code }, { JWT_SECRET: TEST_SECRET });
    expect(await program.ended, program.output()).toBe(0);
    const client = await connect((gateways[0] as TestGateway).wsUrl, { token: program.output().trim() });
    clients.push(client);
    expect(await client.next('AUTHENTICATED')).toMatchObject({ user_id: 'landlord-7', role: 'LANDLORD' });
    client.send({ type: 'SUBSCRIBE', property_id: PROPERTY });
    expect(await client.next('SUBSCRIBED', ({ property_id: id }) => id === PROPERTY)).toBeDefined();
  });

  it('names the package that uWebSockets.js comes from as the lockfile pins it', () => {
    const lock = JSON.parse(read('package-lock.json'));
    const { name, version, integrity } = lock.packages['node_modules/uWebSockets.js'];
    expect(read('README.md')).toContain(`\`${name}@${version}\``);
    expect(read('README.md')).toContain(integrity);
  });
});

describe('docs/operators.md', () => {
  /** Runs the blocks of one kind in a shell of its own; what curl prints must not be an error. */
  async function walk(kind: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
    const [example] = examples('docs/operators.md', kind);
    if (!example) throw new Error(`docs/operators.md has no block ${kind}`);
    const token = mintOperatorToken();
    const program = start(example, {
      OPERATOR_TOKEN: token,
      AUTH: `authorization: Bearer ${token}`,
      OPERATORS: `http://127.0.0.1:${gateways[0]?.operatorPort}`,
      ...more,
    });
    expect(await program.ended, program.output()).toBe(0);
    expect(program.output()).not.toMatch(/"code":|curl: /);
    return program.output();
  }
  const withCurl = it.skipIf(missing.get('curl'));

  withCurl('walks through every call on a gateway', async () => {
    const client = await connect((gateways[1] as TestGateway).wsUrl, { token: mintToken({ user_id: 'admin' }) });
    clients.push(client);
    const output = await walk('walk');
    expect(output).toContain('"user_id":"admin"');
    await client.next('SYSTEM_NOTIFICATION', ({ message }) => message === 'Maintenance at nine');
  });

  withCurl('shows one connection, and closes it', async () => {
    const client = await connect((gateways[1] as TestGateway).wsUrl, { token });
    clients.push(client);
    const { connection_id: id } = await client.next('WELCOME');
    expect(await walk('connection', { CONNECTION_ID: String(id) })).toContain('"disconnected":1');
    expect((await client.closed).code).toBe(4002);
  });

  withCurl('looks into the publisher', async () => {
    expect(await walk('publisher')).toContain('"deliveries"');
  });

  withCurl('asks the publisher’s door for the city’s sources, which its operators’ port does not have', async () => {
    expect(await walk('sources', { PUBLISHER_TOKEN: '' })).toContain('{"sources":[');
    const headers = { authorization: `Bearer ${mintOperatorToken()}` };
    expect((await fetch(`${publisher.operatorUrl}/v1/sources`, { headers })).status).toBe(404);
  });
});

describe('docs/publishing.md', () => {
  it.each(examples('docs/publishing.md', 'change'))('$code is a change', async ({ code }) => {
    const client = await watcher();
    expect(await post('/v1/changes', JSON.parse(code))).toBe(202);
    expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ property_id: PROPERTY });
  });

  it.each(examples('docs/publishing.md', 'report'))(
    'reports a change with $program',
    async (example) => {
      if (missing.get(example.program)) return;
      const client = await watcher();
      const program = start(example);
      // The first build of a program in Go takes some seconds, on a slow machine minutes.
      const isIt = ({ count, violation_type: type }: Frame) => type === 'ECB' && count === 17;
      expect(await client.next('VIOLATION_UPDATE', isIt, { deadlineMs: 240_000 })).toMatchObject({
        property_id: PROPERTY,
      });
      expect(await program.ended, program.output()).toBe(0);
    },
    300_000,
  );

  it.each(examples('docs/publishing.md', 'event'))('$code is an event', async ({ code }) => {
    const event = JSON.parse(code);
    const [kind, name] = event.channel.split(':');
    const claims = { user_id: kind === 'user' ? name : 'manager-7', ...(kind === 'role' ? { role: name } : {}) };
    const client = await connect((gateways[0] as TestGateway).wsUrl, { token: mintToken(claims) });
    clients.push(client);
    await client.next('AUTHENTICATED');
    // Joined without asking or with it: either way what is sent after the answer comes.
    client.send({ type: 'SUBSCRIBE', channel: event.channel });
    await client.next('SUBSCRIBED');
    expect(await post('/v1/events', event)).toBe(202);
    const { key: _, ...sent } = event;
    expect(await client.next(event.type)).toMatchObject(sent);
  });
});

describe('PROTOCOL.md', () => {
  it('has a conversation that goes as written', async () => {
    const block = /<!-- conversation -->\n```\n([\s\S]*?)```/.exec(read('PROTOCOL.md'))?.[1] ?? '';
    // A property of its own: the other examples have moved theirs.
    const lines = block.replaceAll(PROPERTY, '3012340001').trim().split('\n');
    expect(lines.length).toBeGreaterThan(15);
    const client = await connect((gateways[0] as TestGateway).wsUrl);
    clients.push(client);
    for (const line of lines) {
      const text = line.slice(2);
      if (line.startsWith('> ')) {
        const message = JSON.parse(text);
        client.send(message.type === 'AUTHENTICATE' ? { ...message, token } : message);
      } else if (line.startsWith('* change ')) {
        expect(await post('/v1/changes', JSON.parse(text.slice('change '.length)))).toBe(202);
      } else {
        const expected = JSON.parse(text);
        const came = await client.next();
        expect(Object.keys(came), `instead of ${text}`).toEqual(Object.keys(expected));
        expect(came.type).toBe(expected.type);
      }
    }
    await client.settled();
    expect(client.pending('ERROR')).toEqual([]);
  });
});
