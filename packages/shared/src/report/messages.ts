/** The events that services send to people and boards, and the channels they go to. */
import {
  type BoardDocument,
  EVERYONE_CHANNEL,
  GLOBAL_CHANNEL,
  parseChannel,
  propertyChannel,
  roleChannel,
  type Severity,
  STATE_UPDATE,
  stateChannel,
  userChannel,
} from '../protocol/index.js';

/** An event as it is reported: the log gives it its position. */
export interface OutgoingEvent {
  readonly channel: string;
  readonly type: string;
  /** Seconds since 1970; otherwise the time it comes in. */
  readonly timestamp?: number;
  /** What it replaces in the channel's snapshot. */
  readonly key?: string;
  readonly [field: string]: unknown;
}

/** Whom an event is for: all connections of a user, all holders of a role, who watches a property, everybody. */
export type Target =
  | { readonly user: string }
  | { readonly role: string }
  | { readonly property: string }
  | 'everyone'
  /** HR and administrators, where all events of properties meet. */
  | 'global';

/** A message to people. Further fields go out as they are. */
export interface Notification {
  readonly message: string;
  /** Default: `info`. */
  readonly severity?: Severity;
  /** Default: `NOTIFICATION`. */
  readonly type?: string;
  readonly timestamp?: number;
  readonly key?: string;
  readonly [field: string]: unknown;
}

export interface SystemNotification {
  readonly message: string;
  readonly severity: Severity;
  /** Only for holders of this role; otherwise for everybody who is signed in. */
  readonly role?: string;
  readonly [field: string]: unknown;
}

export type ApplicationStep = 'submitted' | 'updated' | 'approved' | 'rejected' | 'withdrawn';

export interface Application {
  readonly application_id: string;
  readonly [field: string]: unknown;
}

export type OnboardingStep = 'started' | 'step_completed' | 'completed';

/** @throws RangeError for a name that no channel can have */
export function channelOf(target: Target): string {
  if (target === 'global') return GLOBAL_CHANNEL;
  if (target === 'everyone') return EVERYONE_CHANNEL;
  if ('user' in target) return checked(userChannel(target.user));
  if ('role' in target) return checked(roleChannel(target.role.toLowerCase()));
  return checked(propertyChannel(target.property));
}

function checked(channel: string): string {
  if (parseChannel(channel)?.channel === channel) return channel;
  throw new RangeError(`${JSON.stringify(channel)} is no channel: names are 1 to 64 letters, digits, "_" or "-"`);
}

export function notification(target: Target, { type = 'NOTIFICATION', severity = 'info', ...data }: Notification) {
  return { channel: channelOf(target), type, severity, ...data } satisfies OutgoingEvent;
}

export function systemNotification({ role, ...data }: SystemNotification): OutgoingEvent {
  const channel = channelOf(role === undefined ? 'everyone' : { role });
  return { channel, type: 'SYSTEM_NOTIFICATION', ...(role === undefined ? {} : { target_role: role }), ...data };
}

export const applicationEvent = (target: Target, step: ApplicationStep, application: Application): OutgoingEvent => ({
  channel: channelOf(target),
  type: `application_${step}`,
  ...application,
});

export const onboardingEvent = (userId: string, step: OnboardingStep, data: object): OutgoingEvent => ({
  channel: channelOf({ user: userId }),
  type: `onboarding_${step}`,
  ...data,
});

/** What becomes of one key of a board. */
export type BoardChange =
  | { readonly document: BoardDocument }
  | { readonly patch: BoardDocument }
  | { readonly removed: true };

export const boardEvent = (board: string, key: string, change: BoardChange): OutgoingEvent => ({
  channel: checked(stateChannel(board)),
  type: STATE_UPDATE,
  key,
  ...change,
});
