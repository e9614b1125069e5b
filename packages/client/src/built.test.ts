/** The published files in Node: whatever throws, Node prints the line it came from. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const INDEX = new URL('../dist/index.js', import.meta.url).href;
/** Some lines of a terminal. */
const READABLE = 400;

it('without a WebSocket class says what to pass, and buries that under no bundle', () => {
  const code = `delete globalThis.WebSocket;
    const { createClient } = await import(${JSON.stringify(INDEX)});
    createClient({ url: 'ws://127.0.0.1:1/ws' });`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain('TypeError: no WebSocket in this runtime: pass one as `WebSocket`');
  expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThan(READABLE);
});
