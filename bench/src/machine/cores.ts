/**
 * Which core runs what. The server that is measured has the first core for itself; Redis, the publisher and the clients
 * share the others, so that none of them takes from it.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

const total = cpus().length;

function pin(pid: number, cores: string): boolean {
  try {
    execFileSync('taskset', ['-a', '-c', '-p', cores, String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Puts this process, and with it all that it starts from here on, on the cores beside the server's. False where that cannot be done. */
export const leaveFirstCore = (): boolean => total > 1 && pin(process.pid, total === 2 ? '1' : `1-${total - 1}`);

export const giveFirstCore = (pid: number): void => void pin(pid, '0');
