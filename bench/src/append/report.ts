/** What `npm run bench:append -- --save` writes into docs/performance.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { MachineDescription } from '../machine/describe.js';

const BEGIN = '<!-- bench:append: written by `npm run bench:append -- --save` -->';
const END = '<!-- end of bench:append -->';

/** Events a second, and what they took of Redis' core, between 0 and 1. */
export interface Measured {
  readonly perSecond: number;
  readonly redis: number;
}

export interface AppendResult {
  readonly events: number;
  readonly rounds: number;
  readonly publisher: Measured;
  readonly alone: Measured;
  readonly together: Measured;
  readonly twice: Measured;
  readonly plain: Measured;
}

const rate = (value: number): string => Math.round(value).toLocaleString('en');
const share = (value: number): string => `${Math.round(value * 100)} %`;
const microseconds = ({ perSecond, redis }: Measured): string => `${((redis * 1e6) / perSecond).toFixed(1)} µs`;

export function appendRows(result: AppendResult): string[][] {
  const row = (title: string, one: Measured): string[] => [
    title,
    rate(one.perSecond),
    share(one.redis),
    microseconds(one),
    rate(one.perSecond / one.redis),
  ];
  return [
    ['', 'events/s', 'CPU of Redis', 'of it, per event', 'where Redis had a whole core'],
    row('Publisher: intake, detection, channel and `global`', result.publisher),
    row('Append script, channel and `global`', result.twice),
    row('No script: its commands alone, channel and `global`', result.plain),
    row('Append script, channel only, several a call', result.together),
    row('Append script, channel only, one a call', result.alone),
  ];
}

/** Where the limit lies, in words that hold for these figures. */
export function verdict({ plain, publisher, together, twice }: AppendResult): string {
  const most = (one: Measured): string => rate(one.perSecond / one.redis);
  const ordered = ((publisher.redis / publisher.perSecond - plain.redis / plain.perSecond) * 1e6).toFixed(1);
  return (
    `Redis does one thing after the other on one core, so what an event takes of that core is the limit, whatever publishes. ` +
    `Every change of a property stands on its channel and on \`global\`, moves the snapshot, and leaves behind what the next ` +
    `one is compared with: as plain commands in a pipeline, with no script around them, that takes ${microseconds(plain)}, and ` +
    `${most(plain)} events a second are the most that one Redis stores and publishes on this machine. The append script makes ` +
    `them all or nothing, repeatable, and puts the position into the event: ${microseconds(twice)} and ${most(twice)} ` +
    `(on the channel alone ${microseconds(together)} and ${most(together)}). The publisher also reads the changes from Redis, and ` +
    `what was known before: ${microseconds(publisher)}, of which ${ordered} µs are for order, recovery and detection, and ` +
    `${most(publisher)} where Redis had a whole core; here it reached ${rate(publisher.perSecond)} with Redis busy for ` +
    `${share(publisher.redis)} of the time. More than these bounds takes more cores for Redis: on a Cluster channels spread over its masters.`
  );
}

export function saveAppend(file: string, result: AppendResult, machine: MachineDescription, table: string): void {
  const text = readFileSync(file, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${file} has no place for the table: ${BEGIN} … ${END}`);
  const about =
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine.processor}, ${machine.cores} cores; ` +
    `${rate(result.events)} events on 5,000 properties, median of ${result.rounds} rounds.`;
  writeFileSync(
    file,
    `${text.slice(0, begin + BEGIN.length)}\n\n${about}\n\n${table}\n\n${verdict(result)}\n\n${text.slice(end)}`,
  );
}
