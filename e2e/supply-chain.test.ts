/** What is installed is what was looked at: exact versions, their hashes, licences that allow it, a list of it all. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judge } from '../scripts/audit.mjs';
import { KNOWN, weakIn } from '../scripts/known-weaknesses.mjs';
import { SHIPPED } from '../scripts/sbom.mjs';
import { ROOT } from '../scripts/setup.mjs';

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly inBundle?: boolean;
}
const read = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const { packages } = read('package-lock.json') as { packages: Record<string, Locked & { dependencies?: object }> };
const installed = Object.entries(packages).filter(([path, { link }]) => path.includes('node_modules/') && !link);
const ours = Object.keys(packages).filter((path) => !path.includes('node_modules'));

/** Licences that ask for nothing but their text, and some that leave alone what only uses them. */
const ALLOWED =
  /^(MIT|MIT-0|ISC|0BSD|BSD-2-Clause|BSD-3-Clause|Apache-2\.0|BlueOak-1\.0\.0|CC0-1\.0|CC-BY-4\.0|Unlicense|Python-2\.0|MPL-2\.0|OFL-1\.1|Zlib)$/;
const allowed = (license = '') =>
  license
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((either) => either.split(' AND ').every((each) => ALLOWED.test(each)));

/** The addon's package, from npm's `uws-pack` under the alias `uWebSockets.js`; see SECURITY.md. */
const ADDON = 'sha512-EziGwZOMH8Y09erf/DHBgaGoTgt+XgqLFoyQfRiDrWHDCZ+jZ5aEBW7fSIcD5LzxDimHK2NxJpmlwSIfJiAZkg==';

it('every dependency of ours has one exact version', () => {
  const loose = ours.flatMap((path) => {
    const { dependencies = {}, devDependencies = {} } = read(join(path, 'package.json')) as Record<
      string,
      Record<string, string>
    >;
    return Object.entries({ ...dependencies, ...devDependencies })
      .filter(([name, version]) => !/^(npm:[\w@/.-]+@)?\d+\.\d+\.\d+$/.test(version) && !name.startsWith('@belfry/'))
      .map(([name, version]) => `${path}: ${name} ${version}`);
  });
  // Node's typings follow the oldest Node that is supported.
  expect(loose.filter((each) => !each.includes('@types/node'))).toEqual([]);
});

it('every installed package is locked with its hash', () => {
  // Packages for platforms that npm could not look at when it wrote the lockfile: they are installed on none that is served.
  const elsewhere =
    /(android|darwin|win32|windows|musl|arm|freebsd|netbsd|openbsd|sunos|aix|wasm|riscv64|ppc64|s390x|loong64|mips64el|ia32|openharmony)/;
  const without = installed.filter(
    ([path, { inBundle, integrity, optional }]) =>
      !integrity?.startsWith('sha512-') && !inBundle && !(optional && elsewhere.test(path)),
  );
  expect(without.map(([path]) => path)).toEqual([]);
});

it('every licence is one of those that are allowed', () => {
  const others = installed.filter(([, { dev, license }]) => !dev && license !== undefined && !allowed(license));
  expect(others.map(([path, { license }]) => `${path}: ${license}`)).toEqual([]);
  expect(allowed('GPL-3.0')).toBe(false);
  expect(allowed('MIT AND GPL-2.0')).toBe(false);
});

it('a known weakness fails the check if it is grave; where the registry does not answer, nothing was checked', () => {
  const answer = (...severities: string[]) => ({
    metadata: {},
    vulnerabilities: Object.fromEntries(severities.map((severity, n) => [`p${n}`, { severity, range: '<2' }])),
  });
  const judged = (what: unknown) => judge(typeof what === 'string' ? what : JSON.stringify(what));
  expect(judged(answer('low', 'critical'))).toMatchObject({ checked: true, failed: true });
  expect(judged(answer('moderate'))).toEqual({ checked: true, failed: false, lines: ['moderate: p0 <2'] });
  expect(judged(answer())).toEqual({ checked: true, failed: false, lines: ['no known weaknesses'] });
  for (const none of ['', '<html>', { message: '405 Method Not Allowed' }]) {
    expect(judged(none)).toMatchObject({
      checked: false,
      failed: false,
      lines: [expect.stringMatching(/NOT CHECKED/)],
    });
  }
});

it('nothing is installed that is known to be weak, and an older version of any of it would be noticed', () => {
  expect(weakIn(packages)).toEqual([]);
  const older = weakIn({
    'node_modules/ws': { version: '8.17.0' },
    'node_modules/a/node_modules/qs': { version: '6.9.9' },
  });
  expect(older).toEqual([expect.stringMatching(/^ws 8\.17\.0: CVE-2024-37890/), expect.stringMatching(/^qs 6\.9\.9/)]);
  expect(weakIn({ 'node_modules/debug': { version: '4.4.2' } })).toHaveLength(1);
  // A row of a package that is not there any more would say nothing.
  const names = new Set(installed.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 13)));
  expect(KNOWN.filter(([name]) => !names.has(name))).toEqual([]);
});

it('the list of what runs in production can be printed', { timeout: 60_000 }, () => {
  const list = JSON.parse(execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, encoding: 'utf8' })) as {
    bomFormat: string;
    metadata: { component: { 'bom-ref': string } };
    components: { 'bom-ref': string; name: string; version: string }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  expect(list.bomFormat).toBe('CycloneDX');
  const names = list.components.map(({ name }) => name);
  for (const folder of SHIPPED) {
    const { name, dependencies } = read(join(folder, 'package.json'));
    expect(names).toEqual(expect.arrayContaining([name, ...Object.keys(dependencies)]));
  }
  // What serves development only: the bench's peers, tests' own packages, and what builds.
  expect(names.filter((name) => /socket\.io|typescript|vitest|vite$|esbuild|playwright/.test(name))).toEqual([]);
  const services = ['canary', 'client', 'dashboard', 'gateway', 'publisher', 'shared'];
  expect(names.filter((name) => name.startsWith('@belfry/')).sort()).toEqual(services.map((name) => `@belfry/${name}`));
  // Nothing depends on what is not in the list, and everything in it is needed by something in it.
  const refs = list.components.map((component) => component['bom-ref']);
  expect(list.dependencies.map(({ ref }) => ref).sort()).toEqual([list.metadata.component['bom-ref'], ...refs].sort());
  expect([...new Set(list.dependencies.flatMap(({ dependsOn }) => dependsOn))].sort()).toEqual([...refs].sort());
});

describe('the addon', () => {
  it('is the package that was looked at, in the lockfile and in SECURITY.md', () => {
    expect(packages['node_modules/uWebSockets.js']).toMatchObject({ version: '20.0.8', integrity: ADDON });
    expect(readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')).toContain(ADDON);
  });
  it('is, as installed for this Node, one of the files named in SECURITY.md', () => {
    const folder = join(ROOT, 'node_modules/uWebSockets.js/');
    const found = execFileSync('find', [folder, '-name', `uws_linux_x64_*.node`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const hashes = found.map((file) => createHash('sha256').update(readFileSync(file)).digest('hex'));
    expect(hashes.length).toBeGreaterThan(0);
    const documented = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
    for (const hash of hashes) expect(documented).toContain(hash);
  });
});
