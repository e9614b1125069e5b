/** Messages to everybody, to one user or to any channel: also how to send a test. */
import type { Severity } from '@belfry/client';
import { type FormEvent, useState } from 'react';
import { SEVERITIES, SEVERITY_NAMES } from '../state/severity.js';
import { useOperator } from './operator-api.js';

type Target = 'everybody' | 'user' | 'channel';

export function SendPage() {
  const operator = useOperator();
  const [target, setTarget] = useState<Target>('everybody');
  const [name, setName] = useState('');
  const [severity, setSeverity] = useState<Severity>('info');
  const [message, setMessage] = useState('');
  const [outcome, setOutcome] = useState<{ readonly text: string; readonly failed: boolean }>();

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const body = { message, severity };
    try {
      const sent =
        target === 'user'
          ? await operator.act<Sent>('/ws/notify-user', 'POST', { ...body, user_id: name.trim() })
          : await operator.act<Sent>('/ws/broadcast', 'POST', {
              ...body,
              ...(target === 'channel' ? { channel: name.trim() } : {}),
            });
      const to = sent.connections === undefined ? sent.channel : `${sent.channel}, ${sent.connections} connections`;
      setOutcome({ text: `Sent to ${to}.`, failed: false });
      setMessage('');
    } catch (error) {
      setOutcome({ text: (error as Error).message, failed: true });
    }
  }

  return (
    <form className="card form" onSubmit={(event) => void submit(event)}>
      <h2>Send a message</h2>
      <label htmlFor="target">To</label>
      <select id="target" value={target} onChange={({ target: { value } }) => setTarget(value as Target)}>
        <option value="everybody">Everybody who is signed in</option>
        <option value="user">One user</option>
        <option value="channel">A channel</option>
      </select>
      {target !== 'everybody' && (
        <>
          <label htmlFor="target-name">{target === 'user' ? 'User' : 'Channel, as property:1012650001'}</label>
          <input id="target-name" required value={name} onChange={({ target: { value } }) => setName(value)} />
        </>
      )}
      <label htmlFor="message-severity">Severity</label>
      <select
        id="message-severity"
        value={severity}
        onChange={({ target: { value } }) => setSeverity(value as Severity)}
      >
        {SEVERITIES.map((value) => (
          <option key={value} value={value}>
            {SEVERITY_NAMES[value]}
          </option>
        ))}
      </select>
      <label htmlFor="message">Message</label>
      <textarea
        id="message"
        rows={3}
        required
        maxLength={2_000}
        value={message}
        onChange={({ target: { value } }) => setMessage(value)}
      />
      <button type="submit" className="button primary">
        Send
      </button>
      <p role="status" className={outcome?.failed ? 'error' : 'quiet'}>
        {outcome?.text}
      </p>
    </form>
  );
}

interface Sent {
  readonly channel: string;
  readonly connections?: number;
}
