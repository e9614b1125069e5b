// @ts-check
/**
 * Bundles what is published: ES modules without dependencies, and their types. Fails where the client outgrows its limit,
 * and prints the sizes, so that nobody has to guess. What few pages need (Server-Sent Events, the connection shared
 * between tabs) lies in files of its own that are loaded when they are needed.
 */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

/** The promise of the README: what a page loads before anything of its own. */
const LIMIT_BYTES = 8 * 1024;

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Names of properties that only the client's own parts use with each other: they become one letter. None may be part of
 * the API, of the protocol, or of the browser's objects; `checkNames` and the tests of the bundle see to it.
 * @type {readonly string[]}
 */
const mangled = JSON.parse(await readFile(here('mangled.json'), 'utf8'));

/**
 * @param {readonly string[]} names
 * @throws where others know one of them, or it is used as text too: texts are not renamed
 */
async function checkNames(names) {
  const read = async (/** @type {string} */ folder, /** @type {(file: string) => boolean} */ which) => {
    const files = (await readdir(here(folder))).filter((file) => /(?<!\.test|-support)\.ts$/.test(file) && which(file));
    return (await Promise.all(files.map((file) => readFile(here(`${folder}/${file}`), 'utf8')))).join('\n');
  };
  const own = await read('src', () => true);
  const known = [
    await read('../shared/src/protocol', (file) => file === 'messages.ts' || file === 'events.ts'),
    await read('src', (file) => file === 'api.ts'),
    await read('src/react', () => true),
  ].join('\n');
  const wrong = names.filter(
    (name) =>
      new RegExp(`^  (readonly )?${name}\\b\\??[:(<]`, 'm').test(known) || new RegExp(`['"]${name}['"]`).test(own),
  );
  if (wrong.length > 0) throw new Error(`mangled.json must not name ${wrong.join(', ')}`);
}

await checkNames(mangled);

/** @param {Record<string, string>} entryPoints those of one bundle share chunks */
const bundle = async (entryPoints) => {
  const { outputFiles } = await build({
    absWorkingDir: here('.'),
    entryPoints,
    outdir: 'dist',
    bundle: true,
    splitting: true,
    minifySyntax: true,
    chunkNames: '[name]',
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    external: ['react'],
    mangleProps: new RegExp(`^(${mangled.join('|')})$`),
    sourcemap: true,
    logLevel: 'warning',
    write: false,
  });
  return outputFiles;
};

// Boards apart: what they have in common with the client is little, and must not become a file that every page loads.
const files = [
  ...(await bundle({ index: 'src/index.ts', react: 'src/react/index.ts' })),
  ...(await bundle({ board: 'src/board.ts' })),
];
const maps = new Map(files.filter(({ path }) => path.endsWith('.map')).map((file) => [file.path, file.text]));
for (const { path, text } of files) {
  if (path.endsWith('.map')) continue;
  const name = basename(path);
  // esbuild's own minifier leaves 5 % more after gzip.
  const { code, map } = await minify(text, {
    module: true,
    ecma: 2020,
    compress: { passes: 4, unsafe_arrows: true, unsafe_methods: true, inline: 1 },
    // Node prints the line that threw: a line must not be the whole file. Costs some 30 bytes after gzip.
    format: { semicolons: false, max_line_len: 360 },
    sourceMap: { content: maps.get(`${path}.map`) ?? '', filename: name, url: `${name}.map` },
  });
  await writeFile(path, code ?? '');
  await writeFile(`${path}.map`, String(map));
  const size = gzipSync(code ?? '', { level: 9 }).length;
  process.stdout.write(`${name}: ${size} bytes gzipped${name === 'index.js' ? ` of ${LIMIT_BYTES}` : ''}\n`);
  if (name === 'index.js' && size > LIMIT_BYTES) {
    process.stderr.write(`index.js is ${size - LIMIT_BYTES} bytes over its limit\n`);
    process.exitCode = 1;
  }
}

// The types must not name a package that is not published: the protocol's come along, under a path of their own.
const types = here('dist/types');
await cp(here('../shared/dist/protocol'), `${types}/protocol`, {
  recursive: true,
  filter: (path) => !/\.(js|map)$/.test(path),
});
for (const entry of await readdir(types, { recursive: true, withFileTypes: true })) {
  if (!entry.name.endsWith('.d.ts')) continue;
  const file = `${entry.parentPath}/${entry.name}`;
  const depth = file.slice(types.length + 1).split('/').length - 1;
  const text = await readFile(file, 'utf8');
  const protocol = `${'../'.repeat(depth) || './'}protocol/index.js`;
  if (text.includes('@belfry/shared')) await writeFile(file, text.replaceAll('@belfry/shared/protocol', protocol));
}
