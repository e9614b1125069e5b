/**
 * Chaos, short and with a fixed seed: nothing is lost, doubled or reordered without the client being told. And its
 * negative twins: where a fault is planted into what a client receives, the same audit has to find it.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ownFolder } from '@belfry/testkit';
import { afterAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('./dist/chaos/main.js', import.meta.url));
const folder = ownFolder('chaos-reports');
afterAll(() => folder.remove());

function chaos(options: Readonly<Record<string, string>>): { readonly code: number | null; readonly report: string } {
  const report = join(folder.path, `${Object.values(options).join('-')}.txt`);
  const args = Object.entries({ ...options, report }).flatMap(([name, value]) => [`--${name}`, value]);
  const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, '--quiet', ...args], { encoding: 'utf8' });
  return { code: status, report: `${stdout}${stderr}` };
}

const figure = (report: string, name: string): number => Number(new RegExp(`(\\d+)  ${name}$`, 'm').exec(report)?.[1]);

it('two minutes of faults from a seed: every delivery audited, no violation, no process ends by itself', () => {
  const { code, report } = chaos({ seconds: '120', seed: '7', clients: '400', rate: '50' });
  expect(report).toMatch(/^PASSED, seed 7$/m);
  expect(code).toBe(0);
  expect(figure(report, 'deliveries')).toBeGreaterThan(50_000);
  expect(Number(/^all, (\d+) kinds/m.exec(report)?.[1])).toBeGreaterThanOrEqual(15);
}, 300_000);

describe('the audit fails a run into which was planted', () => {
  it.each([
    ['an event that never arrives', 'drop', 'lost'],
    ['an event that arrives twice', 'double', 'doubled'],
    ['two events that change places', 'reorder', 'reordered'],
  ])(
    '%s',
    (_, plant, violation) => {
      // A client that misses an event never catches up: there is no use in waiting for it.
      const size = { seconds: '8', seed: '3', clients: '60', rate: '60', gateways: '2', settle: '10' };
      const { code, report } = chaos({ ...size, plant });
      expect(report).toMatch(/^FAILED, seed 3: /m);
      expect(figure(report, violation)).toBeGreaterThan(0);
      expect(code).toBe(1);
    },
    120_000,
  );
});
