/** Rules, dashboards and metrics fit together: what is asked for is measured, what fires is explained. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  connect,
  mintToken,
  startGateway,
  startProcess,
  startPublisher,
  startRedis,
  TEST_SECRET,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { K8S } from '../deploy/verify/render.mjs';
import { promtool } from '../deploy/verify/tools.mjs';

const run = promisify(execFile);
const ROOT = join(K8S, '..', '..');
const MONITORING = join(K8S, 'components', 'monitoring');
const RULES = join(MONITORING, 'rules');
const RUNBOOK = join(ROOT, 'docs', 'operations', 'alerts.md');
const checker = await promtool();

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string> | undefined;
}
interface RuleGroups {
  groups: { name: string; rules: Rule[] }[];
}

const ruleFiles = readdirSync(RULES).filter((file) => file.endsWith('.yaml'));
const groupsIn = (file: string): RuleGroups => parse(readFileSync(join(RULES, file), 'utf8')).spec;
const rules = ruleFiles.flatMap((file) => groupsIn(file).groups.flatMap((group) => group.rules));
const alerts = rules.filter((rule) => rule.alert !== undefined);

/** Metrics of others: kube-state-metrics, node-exporter. */
const FOREIGN = /^(kube|node)_/;
/** Names of metrics in an expression: words that are no function, no label and no keyword. */
const metricsIn = (expression: string) =>
  expression
    .replace(/"[^"]*"/g, '')
    .replace(/\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)/g, '')
    .match(/\b(?:belfry|websocket|nodejs|process|kube|node)[a-z0-9_]*(?::[a-z0-9_]+)*/g) ?? [];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-rules-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes the rules as Prometheus reads them, without the operator's wrapping; `change` may break them. */
function writeRules(change: (rule: Rule) => void = () => undefined): void {
  for (const file of ruleFiles) {
    const spec = groupsIn(file);
    for (const rule of spec.groups.flatMap((group) => group.rules)) change(rule);
    writeFileSync(join(folder, file), stringify(spec));
  }
}

describe.skipIf(!checker)('the rules (need promtool)', () => {
  it('are correct', async () => {
    writeRules();
    const files = ruleFiles.map((file) => join(folder, file));
    const { stdout } = await run(checker ?? '', ['check', 'rules', ...files]);
    expect(stdout).not.toContain('FAILED');
  });

  const tests = readdirSync(join(RULES, 'tests'));
  const test = async (file: string) => {
    cpSync(join(RULES, 'tests'), folder, { recursive: true });
    await run(checker ?? '', ['test', 'rules', file], { cwd: folder });
  };

  it.each(tests)('fire when they should, and only then: %s', async (file) => {
    writeRules((rule) => {
      rule.annotations = undefined;
    });
    await test(file);
  });

  it('would be found if they never fired', async () => {
    writeRules((rule) => {
      rule.annotations = undefined;
      if (rule.alert) rule.expr = `(${rule.expr}) > 1e12`;
    });
    await expect(test('publisher.test.yaml')).rejects.toThrow();
  });

  it('are all tested', () => {
    const tested = tests.map((file) => readFileSync(join(RULES, 'tests', file), 'utf8')).join('\n');
    // A slow burn looks back over three days: it is the same expression as the fast one, with other windows.
    const untested = alerts.filter(({ alert }) => !alert?.endsWith('SlowBurn') && !tested.includes(`${alert}\n`));
    expect(untested.map(({ alert }) => alert)).toEqual([]);
  });
});

describe('every alert', () => {
  it('has a severity, and a link to a part of the runbook that is there', () => {
    const headings = new Set(readFileSync(RUNBOOK, 'utf8').match(/^### \w+$/gm));
    for (const { alert = '', annotations = {}, labels } of alerts) {
      expect(['page', 'ticket'], alert).toContain(labels?.severity);
      expect(annotations.summary, alert).toBeTruthy();
      expect(annotations.runbook_url, alert).toMatch(
        new RegExp(`/docs/operations/alerts\\.md#${alert.toLowerCase()}$`),
      );
      expect(headings, alert).toContain(`### ${alert}`);
    }
    expect(headings.size).toBe(alerts.length);
  });
});

describe('our own metrics', () => {
  let scraped: ReadonlyMap<string, string>;

  beforeAll(async () => {
    const redis = await startRedis();
    const gateway = await startGateway({ REDIS_URL: redis.url });
    const publisher = await startPublisher({ REDIS_URL: redis.url });
    const canary = await startProcess(join(ROOT, 'deploy', 'canary', 'dist', 'main.js'), {
      OPERATOR_HOST: '127.0.0.1',
      OPERATOR_PORT: '0',
      GATEWAY_URL: gateway.wsUrl,
      PUBLISHER_URL: publisher.url,
      JWT_SECRET: TEST_SECRET,
      INTERVAL_MS: '50',
    });
    const metricsOf = async ({ operatorUrl }: { operatorUrl: string }) =>
      await (await fetch(`${operatorUrl}/metrics`)).text();
    try {
      const client = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'manager', role: 'ADMIN' }) });
      client.send({ type: 'SUBSCRIBE', property_id: '1012650001' });
      await client.next('SUBSCRIBED');
      // What is counted only once it happened.
      await vi.waitFor(async () => expect(await metricsOf(gateway)).toMatch(/^websocket_deliveries_total \d/m), {
        timeout: 10_000,
      });
      scraped = new Map([
        ['gateway', await metricsOf(gateway)],
        ['publisher', await metricsOf(publisher)],
        ['canary', await metricsOf(canary)],
      ]);
    } finally {
      await Promise.all([canary.stop(), gateway.stop(), publisher.stop()]);
      await redis.stop();
    }
  }, 60_000);

  const declared = () =>
    new Set(
      [...scraped.values()].flatMap((text) => [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => match[1])),
    );
  /** Only there once a source is polled; their own tests read them from `/metrics`. */
  const ofJobs = new Set(
    ['jobs', 'sources/nyc'].flatMap(
      (part) =>
        readFileSync(join(ROOT, 'packages', 'publisher', 'src', part, 'metrics.ts'), 'utf8').match(
          /\bbelfry_(?:job|source)\w+/g,
        ) ?? [],
    ),
  );
  const isMeasured = (name: string) => {
    const recorded = rules.some(({ record }) => record === name);
    return (
      recorded ||
      ofJobs.has(name) ||
      FOREIGN.test(name) ||
      declared().has(name.replace(/_(bucket|count|sum)$/, '')) ||
      declared().has(name)
    );
  };

  it('are what the rules ask for', () => {
    const unknown = rules.flatMap(({ alert, record, expr }) =>
      metricsIn(expr)
        .filter((name) => !isMeasured(name))
        .map((name) => `${alert ?? record}: ${name}`),
    );
    expect(unknown).toEqual([]);
    expect(isMeasured('websocket_connections')).toBe(false);
  });

  it('are what the dashboards show, and what the autoscaler asks for', () => {
    const dashboards = readdirSync(join(MONITORING, 'dashboards'));
    const texts = [
      ...dashboards.map((file) => {
        const { panels } = JSON.parse(readFileSync(join(MONITORING, 'dashboards', file), 'utf8'));
        return panels
          .flatMap(({ targets }: { targets: { expr: string }[] }) => targets.map(({ expr }) => expr))
          .join('\n');
      }),
      parse(readFileSync(join(K8S, 'components', 'keda', 'scaledobject.yaml'), 'utf8')).spec.triggers[0].metadata.query,
    ];
    expect(texts.flatMap(metricsIn).filter((name) => !isMeasured(name))).toEqual([]);
    expect(texts.flatMap(metricsIn).length).toBeGreaterThan(40);
  });

  it.skipIf(!checker)('are named and described as Prometheus wants them (needs promtool)', async () => {
    for (const [process, text] of scraped) {
      // Those of Node itself, which prom-client names, are not ours to judge.
      const own = text
        .split('\n')
        .filter((line) => /^(?:# (?:HELP|TYPE) )?(?:belfry|websocket)_/.test(line))
        .join('\n');
      const child = run(checker ?? '', ['check', 'metrics']);
      child.child.stdin?.end(`${own}\n`);
      const { stderr, stdout } = await child;
      expect(`${stdout}${stderr}`, process).toBe('');
      expect(own.length).toBeGreaterThan(500);
    }
  });
});
