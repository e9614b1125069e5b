/**
 * Pages and services elsewhere get the client and what services share as packed files, as no registry has them: what is
 * packed is whole, needs only what it says, and is called what the documents call it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownFolder, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../scripts/processes.mjs';
import { ROOT } from '../scripts/setup.mjs';

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, { readonly types: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}
type Packed = 'client' | 'shared';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifestOf = (name: Packed): Manifest => JSON.parse(read(`packages/${name}/package.json`));
const fileOf = (name: Packed) => `belfry-${name}-${manifestOf(name).version}.tgz`;

const folder = ownFolder('packages');
const installed = join(folder.path, 'node_modules');
let redis: TestRedis | undefined;

beforeAll(async () => {
  // What is built is packed: to build anew, as `npm pack` does by itself, changes files that other tests read meanwhile.
  const packages = ['client', 'shared'].flatMap((name) => ['--workspace', `packages/${name}`]);
  await succeed('npm', ['pack', '--ignore-scripts', ...packages, '--pack-destination', folder.path], ROOT);
  writeFileSync(join(folder.path, 'package.json'), '{"type": "module"}');
});
afterAll(async () => {
  await redis?.stop();
  await folder.remove();
});

async function succeed(command: string, args: readonly string[], cwd = folder.path): Promise<string> {
  const { code, output } = await run(command, args, { cwd, env: { ...process.env, REDIS_URL: redis?.url } });
  expect(code, output).toBe(0);
  return output;
}

/** Lends the folder a package that a registry would give it. */
function lend(name: string): void {
  mkdirSync(dirname(join(installed, name)), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), join(installed, name));
}

/** Every part that the package exports is there, with types, and can be imported. */
async function expectWhole(name: Packed): Promise<void> {
  const parts = Object.entries(manifestOf(name).exports);
  expect(parts.filter(([, { types }]) => !existsSync(join(installed, '@belfry', name, types)))).toEqual([]);
  const imports = parts.map(([part]) => `await import('@belfry/${name}${part.slice(1)}');`);
  await succeed(process.execPath, ['--input-type=module', '--eval', imports.join('\n')]);
}

describe('@belfry/client', () => {
  it('is installed from its file alone, without a registry, and is whole', async () => {
    const offline = ['--offline', '--no-audit', '--no-fund', '--cache', join(folder.path, 'cache')];
    await succeed('npm', ['install', ...offline, `./${fileOf('client')}`]);
    expect(readdirSync(installed).filter((name) => !name.startsWith('.'))).toEqual(['@belfry']);
    lend('react');
    await expectWhole('client');
  });
});

describe('@belfry/shared', () => {
  it('is whole, needs no package that it does not name, and has the scripts that it sends to Redis', async () => {
    const home = join(installed, '@belfry/shared');
    mkdirSync(home, { recursive: true });
    await succeed('tar', ['-xzf', fileOf('shared'), '-C', home, '--strip-components', '1']);
    for (const dependency of Object.keys(manifestOf('shared').dependencies ?? {})) lend(dependency);
    await expectWhole('shared');
    redis = await startRedis();
    const example = /<!-- test: reader -->\n```js\n([\s\S]*?)```/.exec(read('docs/presence.md'))?.[1] ?? '';
    expect(await succeed(process.execPath, ['--input-type=module', '--eval', example])).toMatch(/^false$/m);
  });
});

it.each([
  ['packages/client/README.md', 'client'],
  ['docs/publishing.md', 'shared'],
] as const)('%s names the folder and the file of the package', (document, name) => {
  const [, commands = ''] = /<!-- test: pack -->\n```sh\n([\s\S]*?)```/.exec(read(document)) ?? [];
  expect(commands).toContain(`npm pack --workspace packages/${name} `);
  expect(commands).toContain(`npm install ./${fileOf(name)}\n`);
});
