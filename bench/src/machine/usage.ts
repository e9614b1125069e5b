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
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`);
  return Number(kilobytes) * 1024;
}
