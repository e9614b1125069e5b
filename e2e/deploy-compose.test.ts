/** The compose file: what Compose would refuse, what it would take and get wrong, and how far it restricts. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../scripts/setup.mjs';

const FOLDER = join(ROOT, 'deploy', 'compose');
const SCHEMA = join(ROOT, 'node_modules', 'dclint', 'schemas', 'compose.schema.json');

interface Service extends Readonly<Record<string, unknown>> {
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose: Compose = parse(readFileSync(join(FOLDER, 'docker-compose.yml'), 'utf8'), { merge: true });

/** What is wrong by the Compose Specification's own schema, which knows no unknown fields. */
function faultsOf(file: object): string[] {
  const { $schema: _, ...schema } = JSON.parse(readFileSync(SCHEMA, 'utf8'));
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  validate(file);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** Names that lead nowhere: Compose finds these only when it starts. */
function danglingIn({ services, secrets, volumes }: Compose): string[] {
  return Object.entries(services).flatMap(([name, service]) => {
    const mounts = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '');
    const files = Object.entries(service.environment ?? {}).filter(([key]) => key.endsWith('_FILE'));
    return [
      ...(service.secrets ?? []).filter((secret) => !(secret in secrets)),
      ...mounts.filter((mount) => (mount.startsWith('.') ? !existsSync(join(FOLDER, mount)) : !(mount in volumes))),
      ...Object.entries(service.depends_on ?? {}).flatMap(([other, { condition }]) =>
        condition === 'service_healthy' && !services[other]?.healthcheck ? [`${other} is never healthy`] : [],
      ),
      ...files
        .map(([, path]) => path.replace('/run/secrets/', ''))
        .filter((secret) => !service.secrets?.includes(secret)),
    ].map((fault) => `${name}: ${fault}`);
  });
}

describe('the compose file', () => {
  it('is valid, strictly, and names nothing that is not there', () => {
    expect(faultsOf(compose)).toEqual([]);
    expect(danglingIn(compose)).toEqual([]);
    expect(Object.keys(compose.services).length).toBeGreaterThan(4);
  });

  it('would be found to be wrong if it were', () => {
    const broken = JSON.parse(JSON.stringify(compose));
    broken.services.redis.restar = 'always';
    broken.services.publisher.healthcheck.intervall = '1s';
    broken.services.dashboard.mem_limit = {};
    expect(faultsOf(broken)).toHaveLength(3);
    const dangling = JSON.parse(JSON.stringify(compose));
    dangling.services.publisher.secrets.pop();
    dangling.services.dashboard.volumes.push('./nginx/other.conf:/etc/nginx/other.conf:ro');
    dangling.services.redis.healthcheck = undefined;
    expect(danglingIn(dangling)).toEqual([
      'gateway-1: redis is never healthy',
      'gateway-2: redis is never healthy',
      'publisher: redis is never healthy',
      'publisher: redis-url',
      'dashboard: ./nginx/other.conf',
    ]);
  });

  const services = Object.entries(compose.services);

  it.each(services)('restricts %s as far as a pod is', (_name, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(service.mem_limit).toBeTruthy();
    expect(service.restart).toBe('unless-stopped');
    expect(JSON.stringify(service.environment ?? {})).not.toMatch(/(SECRET|TOKEN|REDIS_URL)":/);
  });

  it('lets the same users in everywhere, to the same', () => {
    const [gateway, publisher] = ['gateway-1', 'publisher'].map((name) => compose.services[name]?.environment);
    for (const name of ['ACCESS_POLICY', 'JWT_SECRET_FILE']) {
      expect(gateway?.[name]).toBeTruthy();
      expect(publisher?.[name]).toBe(gateway?.[name]);
    }
  });

  it('gives gateways the time they need to go, and opens only the front door to the world', () => {
    const seconds = (text: unknown) => Number.parseInt(String(text), 10);
    for (const name of ['gateway-1', 'gateway-2']) {
      const { environment, stop_grace_period: grace } = compose.services[name] ?? {};
      expect(seconds(grace)).toBeGreaterThanOrEqual(seconds(environment?.SHUTDOWN_SECONDS) + 15 + 5);
    }
    const open = services.flatMap(([, { ports }]) => ports ?? []);
    expect(open.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([expect.stringMatching(/:8080$/)]);
  });

  it('has secrets that its script makes, once, long enough and readable by nobody else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-compose-'));
    try {
      cpSync(join(FOLDER, 'secrets.sh'), join(folder, 'secrets.sh'));
      const make = () => execFileSync('sh', [join(folder, 'secrets.sh')], { encoding: 'utf8' });
      make();
      const made = () =>
        readdirSync(join(folder, 'secrets')).map((name) => readFileSync(join(folder, 'secrets', name), 'utf8'));
      const first = made();
      make();
      expect(made()).toEqual(first);
      for (const { file } of Object.values(compose.secrets)) {
        expect(existsSync(join(folder, file)), file).toBe(true);
        expect(readFileSync(join(folder, file), 'utf8').length).toBeGreaterThan(32);
      }
      expect(execFileSync('stat', ['-c', '%a', join(folder, 'secrets')], { encoding: 'utf8' }).trim()).toBe('700');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
