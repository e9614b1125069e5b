/** The user's alerts that could not be delivered: nothing else would tell whom no message reaches. */
import { useEffect, useState } from 'react';
import { useSigned } from '../parts/context.js';
import { linkTo } from '../parts/route.js';
import { TimeAgo } from '../parts/time-ago.js';
import { type AlertRule, readUndelivered, type Undelivered, type Way } from '../session/gateway-api.js';
import { placeOf } from '../state/bbl.js';
import { describe, WAY_NAMES } from './rule-words.js';

const REFUSED: Readonly<Record<Way, string>> = {
  email: 'The mail server refused the message or the address.',
  sms: 'The SMS provider refused the message or the number.',
  webhook: 'Its receiver says that it is gone for good.',
};

function reasonOf({ reason, way }: Undelivered): string {
  if (reason === 'refused') return REFUSED[way];
  if (reason === 'not_set_up') return `Sending by ${WAY_NAMES[way]} was not set up.`;
  if (reason === 'not_allowed') return 'Its address is a private one, where nothing is sent.';
  return 'It was tried again and again without success.';
}

interface UndeliveredAlertsProps {
  readonly rules: readonly AlertRule[];
}

export function UndeliveredAlerts({ rules }: UndeliveredAlertsProps) {
  const { session } = useSigned();
  const [undelivered, setUndelivered] = useState<readonly Undelivered[]>([]);
  const [error, setError] = useState<string>();

  useEffect(() => {
    let gone = false;
    readUndelivered(session).then(
      (read) => {
        if (!gone) setUndelivered(read);
      },
      (cause: Error) => {
        if (!gone) setError(cause.message);
      },
    );
    return () => {
      gone = true;
    };
  }, [session]);

  if (error) return <p className="error">What could not be delivered is not known at the moment: {error}</p>;
  if (undelivered.length === 0) return null;
  return (
    <>
      <h3>Not delivered</h3>
      <p className="quiet">
        Of the last seven days, the newest {undelivered.length === 1 ? 'one' : undelivered.length}.
      </p>
      <ul className="rules">
        {undelivered.map((one) => {
          const rule = rules.find(({ id }) => id === one.rule);
          return (
            <li key={one.delivery_id} data-undelivered={one.reason}>
              <div>
                {one.events.map(({ message, property_id }, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes
                  <p key={index}>
                    <a href={linkTo('property', property_id)}>{placeOf(property_id).title}</a> {message}
                  </p>
                ))}
                {one.more > 0 && <p>and {one.more} more</p>}
                <p className="error">
                  Not sent by {WAY_NAMES[one.way]}: {reasonOf(one)}
                </p>
                <p className="quiet">Rule: {rule ? describe(rule) : 'one that is deleted'}</p>
              </div>
              <TimeAgo seconds={one.timestamp} />
            </li>
          );
        })}
      </ul>
    </>
  );
}
