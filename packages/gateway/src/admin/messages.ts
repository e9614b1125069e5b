/** Messages of operators to people: events like any other, through the intake, kept in the log and recovered. */
import { randomUUID } from 'node:crypto';
import { type Connection, intakeKey } from '@belfry/shared/log';
import {
  EVERYONE_CHANNEL,
  GATEWAY_MESSAGES,
  isDeeper,
  MAX_DEPTH,
  parseChannel,
  SEVERITIES,
  STATE_UPDATE,
  userChannel,
} from '@belfry/shared/protocol';
import { type Budgets, type OperatorCall, OperatorError } from '@belfry/shared/service';

export interface MessageSender {
  /** Resolves to the intake id once Redis holds it. */
  send(channel: string, call: OperatorCall): Promise<{ readonly channel: string; readonly accepted: string }>;
}

const MAX_MESSAGE_LENGTH = 2_000;
/** What publishers take, a little less: they put it aside otherwise, and the operator would have been told that it is sent. */
const MAX_EVENT_LENGTH = 14_000;
const TYPE = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

export function createMessageSender(options: {
  readonly connection: Connection;
  readonly prefix: string;
  /** Messages to more than one user, by operator. */
  readonly broadcasts: Budgets;
  readonly onBroadcast: (result: 'sent' | 'rate_limited') => void;
}): MessageSender {
  /** Before anything is sent: who is told that a message is accepted can rely on it. */
  function withinLimit(channel: string, operator: string): void {
    if (parseChannel(channel)?.kind === 'user') return;
    const waitMs = options.broadcasts.take(operator);
    options.onBroadcast(waitMs === 0 ? 'sent' : 'rate_limited');
    if (waitMs === 0) return;
    const message = 'too many broadcasts; nothing was sent';
    throw new OperatorError(429, 'rate_limited', message, Math.ceil(waitMs / 1_000));
  }

  return {
    async send(channel, { body, operator }) {
      const { data, message, severity = 'info', type = 'SYSTEM_NOTIFICATION' } = body;
      if (typeof message !== 'string' || message === '' || message.length > MAX_MESSAGE_LENGTH) {
        throw new OperatorError(400, 'bad_request', `message must be text of 1 to ${MAX_MESSAGE_LENGTH} characters`);
      }
      if (!(SEVERITIES as readonly unknown[]).includes(severity)) {
        throw new OperatorError(400, 'bad_request', `severity must be one of ${SEVERITIES.join(', ')}`);
      }
      if (typeof type !== 'string' || !TYPE.test(type) || isReserved(type)) {
        throw new OperatorError(
          400,
          'bad_request',
          'type must be a letter and up to 63 letters, digits, "_", ".", ":" or "-", and none of the gateway’s own',
        );
      }
      if (isDeeper(data, MAX_DEPTH - 1)) {
        throw new OperatorError(400, 'bad_request', `an event must not be nested deeper than ${MAX_DEPTH} levels`);
      }
      const event = { channel, type, message, severity, from: operator, ...(data === undefined ? {} : { data }) };
      const text = JSON.stringify(event);
      if (text.length > MAX_EVENT_LENGTH) {
        throw new OperatorError(400, 'bad_request', `an event must not be longer than ${MAX_EVENT_LENGTH} characters`);
      }
      withinLimit(channel, operator);
      // The connection may write it again where the answer was lost: by its key it is known as the same.
      const id = await options.connection.xadd(intakeKey(options.prefix), '*', 'event', text, 'key', randomUUID());
      return { channel, accepted: String(id) };
    },
  };
}

/** Gateways say it themselves, or take it for a change of a board. */
const isReserved = (type: string): boolean => type === STATE_UPDATE || Object.hasOwn(GATEWAY_MESSAGES, type);

export const channelOfUser = (user: unknown): string =>
  channelNamed(typeof user === 'string' ? userChannel(user) : user, 'user_id');

/** Where a broadcast goes: everybody who is signed in, unless a channel is named. */
export const channelOfBroadcast = (channel: unknown): string =>
  channel === undefined ? EVERYONE_CHANNEL : channelNamed(channel, 'channel');

function channelNamed(name: unknown, field: string): string {
  const channel = parseChannel(name);
  if (!channel) throw new OperatorError(400, 'bad_channel', `${field} does not name a channel`);
  return channel.channel;
}
