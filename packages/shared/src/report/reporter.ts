/** The reporter: what a service says to Belfry, in its own words, through whichever door. */
import type { BoardDocument } from '../protocol/index.js';
import type { Change } from './changes.js';
import { type Attempt, type Patience, persist, type ReportOptions } from './door.js';
import {
  type Application,
  type ApplicationStep,
  applicationEvent,
  boardEvent,
  type Notification,
  notification,
  type OnboardingStep,
  type OutgoingEvent,
  onboardingEvent,
  type SystemNotification,
  systemNotification,
  type Target,
} from './messages.js';

/** The ids in the intake stream: Redis holds what they stand for. */
export type Accepted = Promise<readonly string[]>;

export interface BoardReporter {
  /** Sets a whole document. */
  setDocument(key: string, document: BoardDocument, options?: ReportOptions): Accepted;
  /** Sets members of a document, each whole; null takes one away. */
  patch(key: string, patch: BoardDocument, options?: ReportOptions): Accepted;
  remove(key: string, options?: ReportOptions): Accepted;
}

/**
 * Every call resolves once Redis holds what it says, and repeats it with one idempotency key until then.
 * @throws ReportRefused, ReportUnavailable
 */
export interface Reporter {
  /** One change or several. */
  changes(changes: Change | readonly Change[], options?: ReportOptions): Accepted;
  /** One event or several, to any channel. */
  events(events: OutgoingEvent | readonly OutgoingEvent[], options?: ReportOptions): Accepted;
  /** All connections of a user, on every gateway. */
  notifyUser(userId: string, notification: Notification, options?: ReportOptions): Accepted;
  /** All holders of a role. */
  notifyRole(role: string, notification: Notification, options?: ReportOptions): Accepted;
  /** Everybody who watches a property, and `global`. */
  notifyProperty(propertyId: string, notification: Notification, options?: ReportOptions): Accepted;
  /** Everybody who is signed in. */
  broadcast(notification: Notification, options?: ReportOptions): Accepted;
  /** A SYSTEM_NOTIFICATION, to everybody or to one role. */
  systemNotification(notification: SystemNotification, options?: ReportOptions): Accepted;
  /** `application_submitted`, `application_approved` … */
  application(target: Target, step: ApplicationStep, application: Application, options?: ReportOptions): Accepted;
  /** `onboarding_started`, `onboarding_step_completed`, `onboarding_completed`, to the user it is about. */
  onboarding(userId: string, step: OnboardingStep, data?: object, options?: ReportOptions): Accepted;
  /** @param name of the board, without `state:` */
  board(name: string): BoardReporter;
}

export function reporterThrough(attempt: Attempt, patience: Patience): Reporter {
  const list = <T>(one: T | readonly T[]): readonly T[] => (Array.isArray(one) ? (one as readonly T[]) : [one as T]);
  // Asynchronous, so that a name that is none rejects like everything else that is wrong.
  const event = async (make: () => OutgoingEvent, options?: ReportOptions): Accepted =>
    persist(attempt, patience, 'event', [make()], options);
  return {
    changes: (changes, options) => persist(attempt, patience, 'change', list(changes), options),
    events: (events, options) => persist(attempt, patience, 'event', list(events), options),
    notifyUser: (user, given, options) => event(() => notification({ user }, given), options),
    notifyRole: (role, given, options) => event(() => notification({ role }, given), options),
    notifyProperty: (property, given, options) => event(() => notification({ property }, given), options),
    broadcast: (given, options) => event(() => notification('everyone', given), options),
    systemNotification: (given, options) => event(() => systemNotification(given), options),
    application: (target, step, application, options) =>
      event(() => applicationEvent(target, step, application), options),
    onboarding: (user, step, data = {}, options) => event(() => onboardingEvent(user, step, data), options),
    board: (name) => ({
      setDocument: (key, document, options) => event(() => boardEvent(name, key, { document }), options),
      patch: (key, patch, options) => event(() => boardEvent(name, key, { patch }), options),
      remove: (key, options) => event(() => boardEvent(name, key, { removed: true }), options),
    }),
  };
}
