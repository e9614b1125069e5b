import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './deadline.js';
import { startProcess } from './processes.js';

let folder: string;
const script = async (name: string, source: string) => {
  const path = join(folder, name);
  await writeFile(path, source);
  return path;
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-processes-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const LISTENS = `
  console.log(JSON.stringify({ level: 'info', msg: 'listening', port: 1, operator_port: 2 }));
  console.log(JSON.stringify({ level: 'info', msg: 'environment', secret: process.env.JWT_SECRET ?? 'none' }));
  setInterval(() => {}, 1000);
`;

describe('a process under test', () => {
  it('is there once it says where it listens, and gets only the environment it was given', async () => {
    process.env.JWT_SECRET = 'of the developer';
    const node = await startProcess(await script('listens.mjs', LISTENS), {});
    delete process.env.JWT_SECRET;
    expect([node.port, node.operatorPort]).toEqual([1, 2]);
    expect((await node.logged(({ msg }) => msg === 'environment')).secret).toBe('none');
    expect(await node.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('fails to start with its exit code and its last words', async () => {
    const path = await script('fails.mjs', `console.error('JWT_SECRET is not set'); process.exit(3);`);
    await expect(startProcess(path, {})).rejects.toMatchObject({
      exit: { code: 3 },
      message: expect.stringContaining('JWT_SECRET is not set'),
    });
  });

  it('stops even while it is frozen', async () => {
    const node = await startProcess(await script('frozen.mjs', LISTENS), {});
    node.signal('SIGSTOP');
    expect(await node.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('does not outlive a test process that is killed, nor does the folder it had', async () => {
    const module = fileURLToPath(new URL('../../scripts/processes.mjs', import.meta.url));
    const path = await script(
      'owner.mjs',
      `import { ownFolder, spawnOwned } from ${JSON.stringify(module)};
       const { path } = ownFolder('test');
       const child = spawnOwned(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
       console.log(JSON.stringify({ pid: child.pid, path }));`,
    );
    const owner = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(owner.stdout, 'data');
    const owned = JSON.parse(String(line));
    expect([isAlive(owned.pid), existsSync(owned.path)]).toEqual([true, true]);
    owner.kill('SIGKILL');
    await eventually('end of what it owned', () => !isAlive(owned.pid) && !existsSync(owned.path));
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
