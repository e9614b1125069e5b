/**
 * `npm run bench`: Belfry, the bare server it is held against, and its peers, side by side in one run on this machine.
 * `npm run bench -- fanout storm --only belfry,bare` runs a part of it; a workload is named by how its name begins.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readCommandLine, refuse } from '@belfry/testkit/command-line';
import { buildCentrifuge } from './contenders/centrifuge.js';
import { buildCentrifugo } from './contenders/centrifugo.js';
import { CONTENDERS, type ContenderName } from './contenders/names.js';
import { leaveFirstCore } from './machine/cores.js';
import { describeMachine } from './machine/describe.js';
import { saveRun, writeDocument } from './report/document.js';
import { plainTable, rowsOf } from './report/table.js';
import { runAll } from './run.js';
import { WORKLOADS } from './workloads/index.js';

const USAGE = `npm run bench -- [workloads] [options]

  workloads    by the beginning of their names: ${WORKLOADS.map(({ name }) => name).join(', ')}; default: all
  --only       with commas between: ${CONTENDERS.join(', ')}; default: all
  --rounds     an odd number; of Belfry and the bare servers the round in the middle counts (default 3)
  --minutes    for all of it: where it gets late, workloads have fewer rounds (default 60)
  --json       file for the raw results
  --save       writes docs/performance.md anew, with its charts and raw results`;

const { positionals, values } = readCommandLine(
  {
    allowPositionals: true,
    options: {
      /** Contenders, separated by commas. */
      only: { type: 'string', default: CONTENDERS.join(',') },
      /** Rounds of Belfry and the bare servers; the one in the middle counts. */
      rounds: { type: 'string', default: '3' },
      /** Minutes for all of it: where it gets late, workloads have fewer rounds. */
      minutes: { type: 'string', default: '60' },
      /** Where to write the raw results. */
      json: { type: 'string' },
      /** Writes docs/performance.md anew, with its charts and raw results. */
      save: { type: 'boolean', default: false },
    },
  },
  USAGE,
);

for (const wanted of positionals) {
  if (!WORKLOADS.some(({ name }) => name.startsWith(wanted))) refuse(`There is no workload ${wanted}.\n\n${USAGE}`);
}
const workloads = WORKLOADS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((wanted) => name.startsWith(wanted)),
);
const asked: readonly string[] = values.only.split(',');
for (const name of asked) {
  if (!CONTENDERS.some((known) => known === name)) refuse(`--only: there is no ${name || 'empty name'}.\n\n${USAGE}`);
}
const contenders = CONTENDERS.filter((name) => asked.includes(name));
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || rounds % 2 === 0) {
  refuse(`--rounds must be an odd whole number above 0, not ${values.rounds}: the round in the middle counts.`);
}
const minutes = Number(values.minutes);
if (!(minutes > 0)) refuse(`--minutes must be a number above 0, not ${values.minutes}.`);

const absent = new Map<ContenderName, string>();
const builds: readonly (readonly [ContenderName, () => Promise<string | undefined>])[] = [
  ['centrifuge', buildCentrifuge],
  ['centrifugo', buildCentrifugo],
];
for (const [name, build] of builds) {
  if (!contenders.includes(name)) continue;
  const why = await build();
  if (why !== undefined) absent.set(name, why);
}
const started = performance.now();
const pinned = leaveFirstCore();
if (!pinned) console.log('processes cannot be tied to cores here: server, Redis and clients share all of them');
const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const { processor, cores, kernel, versions } = describeMachine();
console.log(`${processor}, ${cores} cores, Linux ${kernel}`);
console.log(
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', '),
);
await runAll({
  workloads,
  contenders,
  rounds,
  budgetMs: minutes * 60_000,
  pinned,
  absent,
  onProgress: (text) => console.error(`  ${text}`),
  // As soon as there is something to keep: a run is long.
  onWorkload: (workload, run) => {
    console.log(`\n${workload.title}\n${plainTable(rowsOf(workload, run.workloads[workload.name] ?? {}))}`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(run, null, 2)}\n`);
    if (values.save) saveRun(docs, run);
  },
});
console.log(`\n${Math.round((performance.now() - started) / 1000)} s`);
if (values.save) writeDocument(docs);
process.exit(0);
