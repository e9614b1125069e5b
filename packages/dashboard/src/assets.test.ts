/** What browsers keep for a year: an address of the build stands for one content, for ever. */
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Changes of the sources, by the ends of their names. */
type Changes = Readonly<Record<string, string>>;

/** The files of a build, by their addresses; `changes` are written behind the sources. */
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
  return new Map(
    outputs.map((file) => [
      file.fileName,
      file.type === 'chunk' ? file.code : Buffer.from(file.source).toString('latin1'),
    ]),
  );
}

it('an address under assets is another one as soon as its content is, and all that is large is there', async () => {
  const before = await filesOf({});
  const after = await filesOf({ 'src/main.tsx': 'globalThis.name = "another";', 'styles/base.css': 'b { top: 1px }' });
  const isKept = (name: string) => name.startsWith('assets/') && !name.endsWith('.map');
  for (const [name, content] of after)
    if (isKept(name) && before.has(name)) expect(content, name).toBe(before.get(name));
  const fresh = [...after.keys()].filter((name) => isKept(name) && !before.has(name));
  expect(fresh.map((name) => name.split('.').at(-1)).toSorted()).toEqual(expect.arrayContaining(['css', 'js']));
  expect([...after.keys()].filter((name) => !name.startsWith('assets/'))).toEqual(['index.html']);
}, 60_000);
