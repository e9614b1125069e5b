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

/** Bytes of memory that a process has resident. */
export const residentBytes = (pid: number): number => memoryOf(pid, 'VmRSS');

/** The most that it has had resident so far. */
export const peakResidentBytes = (pid: number): number => memoryOf(pid, 'VmHWM');

function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`);
  return Number(kilobytes) * 1024;
}
