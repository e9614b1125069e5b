/** The user's alert rules, kept by the cluster: what to be told of, by which way, when not. */
import { type FormEvent, useEffect, useState } from 'react';
import { toast } from 'sonner';
import { useSigned } from '../parts/context.js';
import { focusNext } from '../parts/focus-next.js';
import { type Preferences, readPreferences, writePreferences } from '../session/gateway-api.js';
import { NewRule } from './new-rule.js';
import { describe, WAY_NAMES } from './rule-words.js';
import { UndeliveredAlerts } from './undelivered-alerts.js';

export function AlertRules() {
  const { session } = useSigned();
  const [preferences, setPreferences] = useState<Preferences>();
  const [error, setError] = useState<string>();
  const [attempt, setAttempt] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new attempt reads again
  useEffect(() => {
    let gone = false;
    readPreferences(session).then(
      (read) => {
        if (!gone) setPreferences(read);
      },
      (cause: Error) => {
        if (!gone) setError(cause.message);
      },
    );
    return () => {
      gone = true;
    };
  }, [session, attempt]);

  async function save(next: Preferences): Promise<boolean> {
    try {
      setPreferences(await writePreferences(session, next));
      setError(undefined);
      toast.success('Alerts saved', { id: 'alerts-saved' });
      return true;
    } catch (cause) {
      setError((cause as Error).message);
      return false;
    }
  }

  return (
    <section className="card form" aria-labelledby="rules-title">
      <h2 id="rules-title">Wherever you are</h2>
      <p className="quiet">The cluster follows these rules, whether this page is open or not.</p>
      <p className="error" role="alert">
        {error}
        {error && !preferences && (
          <button
            type="button"
            className="link"
            onClick={() => {
              setError(undefined);
              setAttempt((n) => n + 1);
            }}
          >
            Try again
          </button>
        )}
      </p>
      {preferences && (
        <>
          <Contacts preferences={preferences} onSave={save} />
          <h3>Rules</h3>
          {preferences.rules.length === 0 && (
            <p className="empty">No rules yet. Add one below, and be told by e-mail, SMS or webhook.</p>
          )}
          <p className="error" role="status">
            {preferences.undeliverable &&
              `Nothing is sent by ${preferences.undeliverable.map((way) => WAY_NAMES[way]).join(' or ')} at the moment. These rules are kept, and work once it is set up.`}
          </p>
          <ul className="rules">
            {preferences.rules.map((rule) => (
              <li key={rule.id} data-rule={rule.id}>
                <span>{describe(rule)}</span>
                <button
                  type="button"
                  className="button"
                  onClick={(event) => {
                    focusNext(event);
                    void save({ ...preferences, rules: preferences.rules.filter(({ id }) => id !== rule.id) });
                  }}
                >
                  Delete
                </button>
              </li>
            ))}
          </ul>
          <UndeliveredAlerts rules={preferences.rules} />
          <h3>New rule</h3>
          <NewRule onAdd={(rule) => save({ ...preferences, rules: [...preferences.rules, rule] })} />
        </>
      )}
    </section>
  );
}

interface ContactsProps {
  readonly preferences: Preferences;
  readonly onSave: (preferences: Preferences) => Promise<boolean>;
}

function Contacts({ onSave, preferences }: ContactsProps) {
  const [email, setEmail] = useState(preferences.email ?? '');
  const [sms, setSms] = useState(preferences.sms ?? '');
  const [url, setUrl] = useState(preferences.webhook?.url ?? '');
  const [secret, setSecret] = useState(preferences.webhook?.secret ?? '');

  function submit(event: FormEvent): void {
    event.preventDefault();
    void onSave({
      rules: preferences.rules,
      ...(email ? { email } : {}),
      ...(sms ? { sms } : {}),
      ...(url ? { webhook: { url, secret } } : {}),
    });
  }

  return (
    <form className="fields" onSubmit={submit} noValidate>
      <label>
        E-mail
        <input type="email" autoComplete="email" value={email} onChange={({ target }) => setEmail(target.value)} />
      </label>
      <label>
        Mobile number
        <input type="tel" placeholder="+12125550100" value={sms} onChange={({ target }) => setSms(target.value)} />
      </label>
      <label>
        Webhook
        <input type="url" placeholder="https://…" value={url} onChange={({ target }) => setUrl(target.value)} />
      </label>
      <label>
        Webhook secret
        <input
          type="password"
          autoComplete="off"
          placeholder="16 characters or more"
          value={secret}
          onChange={({ target }) => setSecret(target.value)}
        />
      </label>
      <button type="submit" className="button">
        Save contacts
      </button>
    </form>
  );
}
