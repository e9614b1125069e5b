/**
 * Who may import whom (the house's walls), read from the import statements of every source file. A rule that cannot
 * fail checks nothing: each has a made-up violation that it must find.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const WORKSPACES = ['packages', 'testkit', 'e2e', 'scripts', 'bench', 'loadtest', 'deploy'];
const NOT_OURS = new Set(['node_modules', 'dist', 'coverage']);
const VAGUE_NAMES = new Set(['utils', 'util', 'helpers', 'common', 'types', 'managers', 'misc', 'lib']);

/** `to` is a path in this repository, `npm:<package>` or `node:<module>`. */
interface Import {
  readonly from: string;
  readonly to: string;
}

interface Rule {
  readonly name: string;
  /** Files that the rule is about. */
  readonly about: RegExp;
  /** What such a file may import; all else is a violation. */
  readonly allows?: (entry: Import) => boolean;
  /** What such a file must not import. */
  readonly forbids?: (entry: Import) => boolean;
  /** Made-up imports that the rule must find. */
  readonly broken: readonly Import[];
}

const inside =
  (...folders: string[]) =>
  (to: string) =>
    folders.some((folder) => to.startsWith(`${folder}/`));
const isPackage = (to: string) => to.startsWith('npm:');
const isNode = (to: string) => to.startsWith('node:');
const isExternal = (to: string) => isPackage(to) || isNode(to);
const isTest = (file: string) => /\.test(-support)?\.[a-z]+$/.test(file);
/** Tests may use what they are made of: vitest, Node, the testkit. */
const forTests = ({ from, to }: Import) => isTest(from) && (isExternal(to) || inside('testkit')(to));

const SHARED = 'packages/shared/src';
const GATEWAY = 'packages/gateway/src';
const PUBLISHER = 'packages/publisher/src';
const CLIENT = 'packages/client/src';
const DASHBOARD = 'packages/dashboard/src';
const UWS = 'npm:uWebSockets.js';

const RULES: readonly Rule[] = [
  {
    name: 'shared/protocol imports nothing outside of itself, so that it runs in a browser',
    about: /^packages\/shared\/src\/protocol\//,
    allows: (entry) => inside(`${SHARED}/protocol`)(entry.to) || forTests(entry),
    broken: [
      { from: `${SHARED}/protocol/a.ts`, to: 'node:crypto' },
      { from: `${SHARED}/protocol/a.ts`, to: 'npm:zod' },
      { from: `${SHARED}/protocol/a.ts`, to: `${SHARED}/service/index.ts` },
    ],
  },
  {
    name: 'shared/service knows no other room',
    about: /^packages\/shared\/src\/service\//,
    allows: (entry) => inside(`${SHARED}/service`)(entry.to) || isExternal(entry.to) || forTests(entry),
    broken: [{ from: `${SHARED}/service/a.ts`, to: `${SHARED}/log/index.ts` }],
  },
  {
    name: 'shared/log and shared/auth know the protocol and the service, never each other',
    about: /^packages\/shared\/src\/(log|auth)\//,
    allows: (entry) => {
      const own = entry.from.split('/').slice(0, 4).join('/');
      const rooms = inside(own, `${SHARED}/protocol`, `${SHARED}/service`);
      return rooms(entry.to) || isExternal(entry.to) || forTests(entry);
    },
    broken: [
      { from: `${SHARED}/log/a.ts`, to: `${SHARED}/auth/index.ts` },
      { from: `${SHARED}/auth/a.ts`, to: `${GATEWAY}/session/a.ts` },
    ],
  },
  {
    name: 'shared/presence and shared/report build on the log, and know neither tokens nor each other',
    about: /^packages\/shared\/src\/(presence|report)\//,
    allows: (entry) => {
      const own = entry.from.split('/').slice(0, 4).join('/');
      const rooms = inside(own, `${SHARED}/log`, `${SHARED}/protocol`, `${SHARED}/service`);
      return rooms(entry.to) || isExternal(entry.to) || forTests(entry);
    },
    broken: [
      { from: `${SHARED}/presence/a.ts`, to: `${SHARED}/auth/index.ts` },
      { from: `${SHARED}/report/a.ts`, to: `${SHARED}/presence/index.ts` },
    ],
  },
  {
    name: 'the client knows the protocol only, and its hooks know React',
    about: /^packages\/client\/src\//,
    allows: (entry) =>
      inside(CLIENT, `${SHARED}/protocol`)(entry.to) ||
      (entry.from.startsWith(`${CLIENT}/react/`) && entry.to === 'npm:react') ||
      forTests(entry),
    broken: [
      { from: `${CLIENT}/a.ts`, to: `${SHARED}/auth/index.ts` },
      { from: `${CLIENT}/a.ts`, to: 'npm:react' },
      { from: `${CLIENT}/a.ts`, to: 'node:events' },
    ],
  },
  {
    name: 'the dashboard knows the client only',
    about: /^packages\/dashboard\/src\//,
    allows: (entry) => inside(DASHBOARD, CLIENT)(entry.to) || isPackage(entry.to) || forTests(entry),
    broken: [
      { from: `${DASHBOARD}/a.tsx`, to: `${SHARED}/protocol/index.ts` },
      { from: `${DASHBOARD}/a.tsx`, to: 'node:fs' },
    ],
  },
  {
    name: 'the gateway knows shared only',
    about: /^packages\/gateway\/src\//,
    allows: (entry) => inside(GATEWAY, SHARED)(entry.to) || isExternal(entry.to) || forTests(entry),
    broken: [
      { from: `${GATEWAY}/main.ts`, to: `${PUBLISHER}/main.ts` },
      { from: `${GATEWAY}/main.ts`, to: 'testkit/src/index.ts' },
    ],
  },
  {
    name: 'the publisher knows shared only',
    about: /^packages\/publisher\/src\//,
    allows: (entry) => inside(PUBLISHER, SHARED)(entry.to) || isExternal(entry.to) || forTests(entry),
    broken: [
      { from: `${PUBLISHER}/main.ts`, to: `${GATEWAY}/channels/hub.ts` },
      { from: `${PUBLISHER}/a.test.ts`, to: `${CLIENT}/index.ts` },
    ],
  },
  {
    name: "the gateway's sessions and channels do not know the transport",
    about: /^packages\/gateway\/src\/(session|channels)\//,
    forbids: ({ to }) => to === UWS || inside(`${GATEWAY}/transport`)(to),
    broken: [
      { from: `${GATEWAY}/session/a.ts`, to: UWS },
      { from: `${GATEWAY}/channels/a.ts`, to: `${GATEWAY}/transport/websocket.ts` },
    ],
  },
  {
    name: 'only the transport knows uWebSockets.js',
    about: /^packages\/(?!gateway\/src\/transport\/)/,
    forbids: ({ to }) => to === UWS,
    broken: [{ from: `${GATEWAY}/main.ts`, to: UWS }],
  },
];

function violations(rule: Rule, imports: readonly Import[]): string[] {
  return imports
    .filter((entry) => rule.about.test(entry.from))
    .filter((entry) => rule.forbids?.(entry) || (rule.allows && !rule.allows(entry)))
    .map(({ from, to }) => `${from} imports ${to}`);
}

const SPECIFIER = [
  /^\s*(?:import|export)\b[^;'"`]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g,
];

function specifiersIn(source: string): string[] {
  return SPECIFIER.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1] ?? ''));
}

/** Where a specifier leads, seen from a file: our own packages by the folder of their sources. */
function resolve(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), specifier));
  if (specifier.startsWith('node:')) return specifier;
  const [scope = '', name = '', ...rest] = specifier.split('/');
  if (scope === '@belfry') {
    const folder = name === 'testkit' ? 'testkit' : `packages/${name}`;
    return posix.join(folder, 'src', ...rest, 'index.ts');
  }
  if (builtinModules.includes(specifier)) return `node:${specifier}`;
  return `npm:${scope.startsWith('@') ? `${scope}/${name}` : scope}`;
}

function entriesBelow(folder: string): { readonly folders: string[]; readonly files: string[] } {
  const found = { folders: [] as string[], files: [] as string[] };
  const visit = (path: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (NOT_OURS.has(entry.name) || entry.name.startsWith('.')) continue;
      const child = join(path, entry.name);
      if (entry.isDirectory()) {
        found.folders.push(relative(ROOT, child));
        visit(child);
      } else {
        found.files.push(relative(ROOT, child));
      }
    }
  };
  visit(folder);
  return found;
}

const present = readdirSync(ROOT).filter((name) => WORKSPACES.includes(name));
const entries = present.map((name) => entriesBelow(join(ROOT, name)));
const sources = entries.flatMap(({ files }) => files).filter((file) => /\.(ts|tsx|mts|js|jsx|mjs)$/.test(file));
const imports = sources.flatMap((from) =>
  specifiersIn(readFileSync(join(ROOT, from), 'utf8')).map(
    (specifier): Import => ({ from, to: resolve(from, specifier) }),
  ),
);

describe('the walls of the house', () => {
  describe.each(RULES)('$name', (rule) => {
    it('holds', () => {
      expect(violations(rule, imports)).toEqual([]);
    });

    it.each(rule.broken)('would be broken by an import of $to in $from', (entry) => {
      expect(violations(rule, [entry])).toHaveLength(1);
    });
  });

  it('are looked for in all the import statements there are', () => {
    const source = `
      import type { A } from '../service/index.js';
      import {
        b,
        c,
      } from "@belfry/shared/log";
      import 'node:fs';
      export * from './d.js';
      const e = await import('uWebSockets.js');
    `;
    expect(specifiersIn(source).map((specifier) => resolve(`${SHARED}/protocol/x.ts`, specifier))).toEqual([
      `${SHARED}/service/index.js`,
      `${SHARED}/log/index.ts`,
      `${SHARED}/protocol/d.js`,
      'node:fs',
      UWS,
    ]);
    expect(imports.length).toBeGreaterThan(50);
  });

  it('have no folder behind them whose name says what kind of code it holds instead of what it is about', () => {
    const vague = (folders: readonly string[]) => folders.filter((folder) => VAGUE_NAMES.has(posix.basename(folder)));
    expect(vague(entries.flatMap(({ folders }) => folders))).toEqual([]);
    expect(vague(['packages/gateway/src/utils', 'packages/gateway/src/session'])).toHaveLength(1);
  });
});
