/** The names of presence in Redis, all in one slot of a Cluster: that of the stream, whose name carries no braces. */

export interface PresenceKeys {
  /** Sorted set: gateways by when they stop to count, in milliseconds. */
  readonly nodes: string;
  /** Hash: per gateway, how often it wrote; so that it notices when somebody else did, or Redis forgot. */
  readonly versions: string;
  /** Hash: per channel, on how many gateways somebody follows it. */
  readonly occupied: string;
  /** Stream: `channel` and `event`, which is `occupied` or `vacated`. */
  readonly occupancy: string;
  /** With a gateway's name behind it: hash of its users, `<connections> <milliseconds since 1970>`. */
  readonly usersOf: string;
  /** With a gateway's name behind it: hash of the channels followed there, and by how many. */
  readonly channelsOf: string;
}

export function presenceKeys(prefix: string): PresenceKeys {
  const occupancy = `${prefix}:occupancy`;
  const base = `${prefix}:{${occupancy}}`;
  return {
    nodes: `${base}:nodes`,
    versions: `${base}:versions`,
    occupied: `${base}:occupied`,
    occupancy,
    usersOf: `${base}:users:`,
    channelsOf: `${base}:channels:`,
  };
}
