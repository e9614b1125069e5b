/**
 * Which k6 a load test runs with. Real Go builds it, of modules that are as small as can be and come from a folder: such a
 * proxy serves a version's files and, as some do, nothing about the latest one.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { buildK6, findK6, K6, STAND_IN, withoutK6 } from './k6.mjs';
import { ownFolder, run } from './processes.mjs';

const [goVersion = '', GOCACHE = ''] = (await run('go', ['env', 'GOVERSION', 'GOCACHE'])).output.split('\n');
/** As new as the k6 that is wanted asks for. */
const hasGo = Number(/^go1\.(\d+)/.exec(goVersion)?.[1] ?? 0) >= Number(K6.go.split('.')[1]);
const folder = ownFolder('k6');
afterAll(async () => {
  // Go lets nobody write into its folders.
  await run('chmod', ['-R', 'u+w', folder.path]);
  await folder.remove();
});

let homes = 0;

/** Somebody's environment: a proxy that has these, nothing built or fetched so far, and a folder for programs. */
function environment(...releases) {
  const home = join(folder.path, `${++homes}`);
  const proxy = join(home, 'proxy');
  const programs = join(home, 'programs');
  for (const path of [proxy, programs]) mkdirSync(path, { recursive: true });
  for (const release of releases) serve(proxy, release);
  const tools = join(home, 'cache', 'belfry', 'tools');
  // What Go has compiled of itself is good for all of them.
  const theirs = { XDG_CACHE_HOME: join(home, 'cache'), GOMODCACHE: join(home, 'modules'), GOCACHE };
  const env = { ...process.env, ...theirs, GOPROXY: `file://${proxy}`, GOSUMDB: 'off' };
  return { home, programs, tools, env };
}

/** As <https://go.dev/ref/mod#goproxy-protocol> wants it, without `@latest` and with an empty list. */
function serve(proxy, { module, version, go }, source = speaks(version)) {
  const files = { 'go.mod': `module ${module}\n\ngo ${go}\n`, 'main.go': source };
  const place = join(proxy, module, '@v');
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, `v${version}.info`), JSON.stringify({ Version: `v${version}` }));
  writeFileSync(join(place, `v${version}.mod`), files['go.mod']);
  const entries = Object.entries(files).map(([name, text]) => [`${module}@v${version}/${name}`, text]);
  writeFileSync(join(place, `v${version}.zip`), zip(entries));
}

/** As k6 does, by its file's name. */
const speaks = (version) => `package main

import ("os"; "path")

func main() { println(path.Base(os.Args[0]), "v${version}") }
`;

/** What a shell answers for a program. */
function program(path, says) {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "${says}"\n`);
  chmodSync(path, 0o755);
}

const versionOf = async (path) => (await run(path, ['version'])).output.trim();

describe.skipIf(!hasGo)('k6 is built (needs Go)', () => {
  it('through a proxy that knows nothing of latest versions, where `go install` gives up', async () => {
    const { env, home, tools } = environment(K6);
    const installed = await run('go', ['install', `${K6.module}@v${K6.version}`], { env: { ...env, GOBIN: home } });
    expect(installed.code).not.toBe(0);
    expect(await buildK6({ env })).toEqual({ path: join(tools, 'k6-2.2.0', 'k6') });
    expect(await versionOf(join(tools, 'k6-2.2.0', 'k6'))).toBe('k6 v2.2.0');
  });

  it('whatever a person has set for builds of their own', async () => {
    const { env, home, tools } = environment(K6);
    writeFileSync(join(home, 'go.work'), 'go 1.25.0\n\nuse ./nowhere\n');
    const theirs = { GOFLAGS: '-mod=vendor -o=elsewhere', GOBIN: join(home, 'bin'), GO111MODULE: 'off' };
    expect(await buildK6({ env: { ...env, ...theirs, GOOS: 'windows', GOARCH: 'arm64' } })).toHaveProperty('path');
    expect(await versionOf(join(tools, 'k6-2.2.0', 'k6'))).toBe('k6 v2.2.0');
    expect(existsSync(theirs.GOBIN)).toBe(false);
  });

  it('though older ones were built before; and once: the next run finds it', async () => {
    const { env, tools, programs } = environment(K6);
    for (const name of ['bin', 'k6-1.8.1']) program(join(tools, name, 'k6'), 'k6 v1.8.1');
    const withoutPath = { ...env, PATH: programs };
    expect(await findK6(withoutPath)).toBeUndefined();
    expect(await buildK6({ env })).toEqual({ path: join(tools, 'k6-2.2.0', 'k6') });
    expect(await findK6(withoutPath)).toBe(join(tools, 'k6-2.2.0', 'k6'));
  });

  it('in an older version where the newer one cannot be had, and why is said', async () => {
    const { env, tools } = environment(STAND_IN);
    const instead = expect.stringMatching(/^k6 2\.2\.0: .*go\.k6\.io\/k6\/v2@v2\.2\.0: .+$/);
    expect(await buildK6({ env })).toEqual({ path: join(tools, 'k6-1.8.1', 'k6'), instead });
    expect(await versionOf(join(tools, 'k6-1.8.1', 'k6'))).toBe('k6 v1.8.1');
  });

  it('or is not, and both causes are said in one line', async () => {
    const { env } = environment();
    serve(env.GOPROXY.slice('file://'.length), STAND_IN, 'package main\n\nfunc main() { nothing() }\n');
    const { failure } = await buildK6({ env });
    expect(failure).toMatch(/^k6 2\.2\.0: .+; k6 1\.8\.1: # .+ undefined: nothing$/);
    expect(withoutK6(failure)).toMatch(
      /^There is no k6, and none can be built \(k6 .+: install k6 1\.6 or newer, or Go/,
    );
  });

  it('until somebody has enough of it, and nothing is left of it', async () => {
    const { env, tools } = environment(K6);
    expect(await buildK6({ env, signal: AbortSignal.abort() })).toEqual({ failure: 'interrupted' });
    expect(existsSync(join(tools, 'k6-2.2.0', 'k6'))).toBe(false);
  });
});

describe('without Go', () => {
  it.each(['k6 v1.6.0 (go, here)', 'k6.exe v2.4.1'])('%s on the PATH is taken', async (says) => {
    const { env, programs, tools } = environment();
    program(join(tools, 'k6-2.2.0', 'k6'), 'k6 v2.2.0');
    program(join(programs, 'k6'), says);
    expect(await findK6({ ...env, PATH: programs })).toBe('k6');
  });

  it.each(['k6 v1.5.9', 'k6 v0.57.0', 'another k6'])('%s on the PATH is passed over', async (says) => {
    const { env, programs, tools } = environment();
    program(join(programs, 'k6'), says);
    expect(await findK6({ ...env, PATH: programs })).toBeUndefined();
    program(join(tools, 'k6-2.2.0', 'k6'), 'k6 v2.2.0');
    expect(await findK6({ ...env, PATH: programs })).toBe(join(tools, 'k6-2.2.0', 'k6'));
  });

  it('an older one that was built before does', async () => {
    const { env, programs, tools } = environment();
    program(join(tools, 'k6-1.8.1', 'k6'), 'k6 v1.8.1');
    const built = await buildK6({ env: { ...env, PATH: programs } });
    expect(built).toEqual({ path: join(tools, 'k6-1.8.1', 'k6'), instead: 'there is no Go' });
  });

  it('there is none otherwise', async () => {
    const { env, programs } = environment();
    const built = await buildK6({ env: { ...env, PATH: programs } });
    expect(built).toEqual({ failure: 'there is no Go' });
    expect(withoutK6(built.failure)).toBe(
      'There is no k6, and none can be built (there is no Go): install k6 1.6 or newer, or Go, with which k6 2.2.0 is built for you.',
    );
  });
});

/** A zip archive of these files, not compressed: Go takes modules as nothing else. */
function zip(entries) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, text] of entries) {
    const [path, data] = [Buffer.from(name), Buffer.from(text)];
    // Version 2.0, no flags, stored, no time; checksum, sizes, length of the name, no extras.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(path.length, 22);
    const where = Buffer.alloc(14);
    where.writeUInt32LE(offset, 10);
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, data]);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, where, path);
    parts.push(file);
    offset += file.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(index.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, index, Buffer.from('PK\x05\x06'), end]);
}
