/** What processes use of the machine, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

const NANOSECONDS = 1e9;

/** Seconds of CPU that a process has used, all of its threads together. */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  }
  return nanoseconds / NANOSECONDS;
}

export const cpuSecondsOf = (pids: readonly number[]): number =>
  pids.reduce((seconds, pid) => seconds + cpuSeconds(pid), 0);

/**
 * Seconds of this machine's CPU, all cores together, that its host gave to others while something here wanted to run.
 * Always 0 where the host does not tell.
 */
export function stolenSeconds(): number {
  const [, ...ticks] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.split(/\s+/) ?? [];
  return Number(ticks[STOLEN] ?? 0) / TICKS_PER_SECOND;
}
/** Of the fields of a line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. */
const STOLEN = 7;
/** `USER_HZ`, which is the same on every Linux of these processors. */
const TICKS_PER_SECOND = 100;

/** Bytes of memory that a process has resident. */
export const residentBytes = (pid: number): number => memoryOf(pid, 'VmRSS');

/** The most that it has had resident so far. */
export const peakResidentBytes = (pid: number): number => memoryOf(pid, 'VmHWM');

function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`);
  return Number(kilobytes) * 1024;
}
