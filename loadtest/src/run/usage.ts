/**
 * What each process of a load test on this machine has used, so that one sees which of them was the limit: k6 is often the
 * busiest. Read from /proc; elsewhere there is nothing to show.
 */
import { readFileSync } from 'node:fs';

export interface Usage {
  readonly name: string;
  readonly cpuSeconds: number;
  /** The most that it ever had resident. */
  readonly peakMegabytes: number;
}

export interface UsageWatch {
  now(): readonly Usage[];
  stop(): readonly Usage[];
}

const INTERVAL_MS = 1_000;
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;
/** Fields 14 and 15 of /proc/<pid>/stat, counted from behind the name, which may hold spaces. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

function read(name: string, pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (peak === undefined) return undefined;
    return {
      name,
      cpuSeconds: (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) / TICKS_PER_SECOND,
      peakMegabytes: Number(peak) / 1024,
    };
  } catch {
    // It has ended, or there is no /proc: what was read last stays.
    return undefined;
  }
}

/**
 * Watches processes until `stop`, which returns what each of them has used since it began.
 * @param processes name and process id
 */
export function watchUsage(processes: ReadonlyMap<string, number>): UsageWatch {
  const seen = new Map<string, Usage>();
  const look = () => {
    for (const [name, pid] of processes) {
      const usage = read(name, pid);
      if (usage) seen.set(name, usage);
    }
  };
  look();
  const timer = setInterval(look, INTERVAL_MS);
  return {
    now: () => [...seen.values()],
    stop() {
      clearInterval(timer);
      look();
      return [...seen.values()];
    },
  };
}

export function describeUsage(usages: readonly Usage[]): string {
  const lines = usages.map(
    ({ name, cpuSeconds, peakMegabytes }) =>
      `  ${name.padEnd(24)} ${cpuSeconds.toFixed(1).padStart(7)} s CPU  ${peakMegabytes.toFixed(0).padStart(6)} MB at its peak`,
  );
  return lines.length === 0 ? '' : `\nOn this machine\n${lines.join('\n')}\n`;
}

/** The same in one line, for while it runs. */
export const usageInShort = (usages: readonly Usage[]): string =>
  usages
    .map(
      ({ name, cpuSeconds, peakMegabytes }) => `${name} ${cpuSeconds.toFixed(0)} s CPU, ${peakMegabytes.toFixed(0)} MB`,
    )
    .join('; ');
