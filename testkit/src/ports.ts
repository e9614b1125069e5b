/** Ports for programs that must be told theirs before they start, and for those that start again on the same one. */
import * as ports from '../../scripts/free-port.mjs';

/** A port of the loopback address that nobody listens on, and that the system gives to nobody by itself. */
export const freePort = (): Promise<number> => ports.freePort();

/** As many different ones. */
export const freePorts = (count: number): Promise<number[]> => ports.freePorts(count);

export const isFree = (port: number): Promise<boolean> => ports.isFree(port);
