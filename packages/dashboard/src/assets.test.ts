/** What browsers keep for a year: an address of the build stands for one content, for ever. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Changes of the sources, by the ends of their names. */
type Changes = Readonly<Record<string, string>>;

/** Digests of the files of a build, by their addresses; `changes` are written behind the sources. */
async function filesOf(changes: Changes): Promise<ReadonlyMap<string, string>> {
  const result = await build({
    root: ROOT,
    logLevel: 'silent',
    build: { write: false },
    plugins: [
      {
        name: 'changes',
        enforce: 'pre',
        transform: (code, id) => {
          const more = Object.entries(changes).find(([name]) => id.endsWith(name))?.[1];
          return more === undefined ? undefined : { code: `${code}\n${more}`, map: null };
        },
      },
    ],
  });
  const outputs = [result].flat().flatMap((built) => ('output' in built ? built.output : []));
  const digest = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
  return new Map(outputs.map((file) => [file.fileName, digest(file.type === 'chunk' ? file.code : file.source)]));
}

it('an address under assets is another one as soon as its content is, and all that is large is there', async () => {
  const before = await filesOf({});
  const after = await filesOf({ 'src/main.tsx': 'globalThis.name = "another";', 'styles/base.css': 'b { top: 1px }' });
  const isKept = (name: string) => name.startsWith('assets/') && !name.endsWith('.map');
  for (const [name, digest] of after) if (isKept(name) && before.has(name)) expect(digest, name).toBe(before.get(name));
  const fresh = [...after.keys()].filter((name) => isKept(name) && !before.has(name));
  expect(fresh.map((name) => name.split('.').at(-1)).toSorted()).toEqual(expect.arrayContaining(['css', 'js']));
  expect([...after.keys()].filter((name) => !name.startsWith('assets/'))).toEqual(['index.html']);
}, 60_000);
