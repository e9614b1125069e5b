/** The publisher as a process: how it starts, says how it is, and ends. */
import { eventually, StartFailed, startPublisher, startRedis, type TestProcess, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const change = { property_id: '1012650001', violation_type: 'HPD', count: 3 };

let redis: TestRedis;
const running: TestProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((publisher) => publisher.stop()));
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

async function start(env: Record<string, string> = {}): Promise<TestProcess> {
  const publisher = await startPublisher({
    REDIS_URL: redis.url,
    SOURCES_ENABLED: 'false',
    ALERTS_ENABLED: 'false',
    ...env,
  });
  running.push(publisher);
  return publisher;
}

const post = (publisher: TestProcess, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${publisher.url}/v1/changes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

async function refusal(env: Record<string, string>): Promise<StartFailed> {
  try {
    await start(env);
  } catch (error) {
    if (error instanceof StartFailed) return error;
    throw error;
  }
  throw new Error('it started');
}

describe('a publisher', () => {
  it('appends what is posted, counts it, and ends with 0 when it is asked to', async () => {
    const publisher = await start();
    expect((await post(publisher, change)).status).toBe(202);
    const connection = redis.connect();
    await eventually('event', async () => (await connection.xlen('belfry:{property:1012650001}:log')) === 1);
    await eventually('event on global', async () => (await connection.xlen('belfry:{global}:log')) === 1);
    const wanted = [
      'belfry_events_appended_total{channel="own"} 1',
      'belfry_events_appended_total{channel="global"} 1',
      'belfry_intake_accepted_total{kind="change"} 1',
      'belfry_intake_lag_entries{share="0"} 0',
      'belfry_intake_lag_seconds{share="7"} 0',
    ];
    await eventually(`metrics ${wanted}`, async () => {
      const lines = (await (await fetch(`${publisher.operatorUrl}/metrics`)).text()).split('\n');
      return wanted.every((line) => lines.includes(line));
    });
    expect(await publisher.stop()).toEqual({ code: 0, signal: null });
    // Everything was put in order: nobody has to wait for leases to run out.
    expect(await connection.keys('belfry:intake:share:*:lease')).toEqual([]);
    expect(await connection.zcard('belfry:intake:publishers')).toBe(0);
  });

  it('starts without Redis, says that it is not ready, and works once Redis is there', async () => {
    const late = await startRedis();
    await late.kill();
    try {
      const publisher = await start({ REDIS_URL: late.url, SOURCES_ENABLED: 'true' });
      expect((await fetch(`${publisher.operatorUrl}/readyz`)).status).toBe(503);
      expect((await fetch(`${publisher.operatorUrl}/livez`)).status).toBe(200);
      expect((await post(publisher, change)).status).toBe(503);
      await late.start();
      await eventually('ready', async () => (await fetch(`${publisher.operatorUrl}/readyz`)).status === 200);
      await eventually('sources', async () => (await fetch(`${publisher.url}/v1/sources`)).status === 200);
      await eventually('change accepted', async () => (await post(publisher, change)).status === 202);
      const connection = late.connect();
      await eventually('event', async () => (await connection.xlen('belfry:{property:1012650001}:log')) === 1);
      await publisher.stop();
    } finally {
      await late.stop();
    }
  });

  it('ends in time also while Redis is away', async () => {
    const mortal = await startRedis();
    try {
      const publisher = await start({ REDIS_URL: mortal.url });
      expect((await post(publisher, change)).status).toBe(202);
      await mortal.kill();
      expect((await publisher.stop()).code).toBe(0);
    } finally {
      await mortal.stop();
    }
  });

  it('ends in time also where Redis was never there', async () => {
    const never = await startRedis();
    await never.kill();
    try {
      const publisher = await start({ REDIS_URL: never.url, SOURCES_ENABLED: 'true', ALERTS_ENABLED: 'true' });
      expect((await publisher.stop()).code).toBe(0);
    } finally {
      await never.stop();
    }
  });

  it('takes a share of the work with others, and gives it back', async () => {
    const shares = async (publisher: TestProcess) => {
      const text = await (await fetch(`${publisher.operatorUrl}/metrics`)).text();
      return [...text.matchAll(/belfry_intake_lag_entries\{share="(\d)"\}/g)].map(([, share]) => share);
    };
    const lease = { INTAKE_LEASE_MS: '600' };
    const first = await start(lease);
    await eventually('all shares', async () => (await shares(first)).length === 8);
    const second = await start(lease);
    await eventually('half of the shares each', async () => {
      const [one, other] = [await shares(first), await shares(second)];
      return one.length === 4 && other.length === 4 && new Set([...one, ...other]).size === 8;
    });
    await second.kill();
    await eventually('all shares again', async () => (await shares(first)).length === 8);
  });
});

describe('a publisher does not start', () => {
  it('with a wrong setting: one line says which', async () => {
    const { exit, output } = await refusal({ INTAKE_SHARES: 'many' });
    expect(exit?.code).toBe(78);
    expect(output).toMatch(/^INTAKE_SHARES="many" must be 1 to 256/);
  });

  it('in production without a token for its door', async () => {
    const { exit, output } = await refusal({ NODE_ENV: 'production' });
    expect(exit?.code).toBe(78);
    expect(output).toMatch(/^PUBLISHER_TOKEN is not set; /);
  });

  it.each(['PUBLISHER_TOKEN', 'PUBLISHER_PREVIOUS_TOKEN', 'OPERATOR_SECRET', 'JWT_SECRET', 'JWT_PREVIOUS_SECRET'])(
    'in production with a %s that can be guessed',
    async (variable) => {
      const token = 'x'.repeat(32);
      const { exit, output } = await refusal({ NODE_ENV: 'production', PUBLISHER_TOKEN: token, [variable]: 'tiny' });
      expect(exit?.code).toBe(78);
      expect(output).toMatch(new RegExp(`^${variable} has 4 characters; in production it needs at least 32`));
      expect(output).not.toContain('tiny');
    },
  );

  it('with a retention shorter than the rewind', async () => {
    const { output } = await refusal({ INTAKE_RETENTION_SECONDS: '20' });
    expect(output).toMatch(/^INTAKE_RETENTION_SECONDS=20 must not be less/);
  });

  it('that would forget what it applied before it reads it again', async () => {
    const { exit, output } = await refusal({ LOG_TTL_SECONDS: '7200', INTAKE_RETENTION_SECONDS: '86400' });
    expect(exit?.code).toBe(78);
    expect(output).toMatch(/^LOG_TTL_SECONDS=7200 must not be less than INTAKE_RETENTION_SECONDS=86400/);
  });

  it.each(['foo', 'https://a.example,https://b.example/'])(
    'with ALLOWED_ORIGINS=%s, which no browser would send',
    async (origins) => {
      const { exit, output } = await refusal({ ALLOWED_ORIGINS: origins });
      expect(exit?.code).toBe(78);
      expect(output).toMatch(/^ALLOWED_ORIGINS=".+" must be `\*`, or origins /);
    },
  );

  it.each(['HTTP_PORT', 'OPERATOR_PORT'])('where another listens on its %s', async (variable) => {
    const { port } = await start();
    const { exit, output } = await refusal({ [variable]: `${port}` });
    expect(exit?.code).toBe(78);
    const said = output.split('\n').filter((line) => !line.startsWith('{'));
    expect(said).toEqual([`${variable}=${port} cannot be listened on: another process does`, '']);
  });

  it.each(['HTTP_HOST', 'OPERATOR_HOST'])('with a %s that is no address', async (variable) => {
    const { exit, output } = await refusal({ [variable]: '999.1.1.1' });
    expect(exit?.code).toBe(78);
    const said = output.split('\n').filter((line) => !line.startsWith('{'));
    expect(said).toEqual([expect.stringMatching(new RegExp(`^${variable}="999.1.1.1" cannot be listened on: `)), '']);
  });
});

it('a publisher that would cut the intake into another number of shares ends and says what to do', async () => {
  const first = await start({ INTAKE_SHARES: '4' });
  await eventually('number of shares', async () => (await redis.connect().get('belfry:intake:shares')) === '4');
  // It may find out before it listens, or after that.
  const ended = await start({ INTAKE_SHARES: '8' }).then(
    async (other) => ({ code: (await other.exited).code, output: other.output() }),
    ({ exit, output }: StartFailed) => ({ code: exit?.code, output }),
  );
  expect(ended.code).toBe(78);
  expect(ended.output).toMatch(/"level":"fatal".*"msg":"INTAKE_SHARES must be 4/);
  expect((await post(first, change)).status).toBe(202);
});
