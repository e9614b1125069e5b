/**
 * How properties, channels and changes are numbered, so that a delivery fits in sixteen bytes. A change's number counts
 * up per property and travels in the event's `message`, as `n17`.
 */
import { GLOBAL_CHANNEL, propertyChannel } from '@belfry/shared/protocol';

/** Properties have numbers below this one; channels beside theirs have higher ones. */
export const GLOBAL = 1_000;
/** A property of large events, to fill what slow readers do not read. */
export const BULK = 1_001;
/** Of each gateway's canary; nobody else follows it. */
export const CANARY_PROPERTY = 1_002;
export const CHANNELS = 1_003;

const FIRST_BBL = 1_000_000_000;

export const propertyId = (property: number): string => String(FIRST_BBL + property);

export function channelName(channel: number): string {
  if (channel === GLOBAL) return GLOBAL_CHANNEL;
  return propertyChannel(propertyId(channel));
}

const NUMBERS = new Map<string, number>(
  Array.from({ length: CHANNELS }, (_, channel) => [channelName(channel), channel]),
);
/** Undefined for channels that are not audited, as users' and roles' own. */
export const channelNumber = (name: unknown): number | undefined => NUMBERS.get(String(name));

/** A property's changes take turns with the violation types, so that the type follows from the number. */
export const VIOLATION_TYPES = ['HPD', 'DOB', 'ECB'] as const;
export const violationType = (n: number): string => VIOLATION_TYPES[n % VIOLATION_TYPES.length] as string;

/** One number for a change of a property: what identifies an event's content wherever it is seen. */
export const changeNumber = (property: number, n: number): number => property * N_PER_PROPERTY + n;
export const propertyOfChange = (change: number): number => Math.floor(change / N_PER_PROPERTY);
export const nOfChange = (change: number): number => change % N_PER_PROPERTY;
const N_PER_PROPERTY = 2 ** 22;
