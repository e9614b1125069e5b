/** The form for one more alert rule. */
import type { Severity } from '@belfry/client';
import { type FormEvent, useState } from 'react';
import { useSigned } from '../parts/context.js';
import type { AlertRule, Digest, Way } from '../session/gateway-api.js';
import { SEVERITIES, SEVERITY_NAMES } from '../state/severity.js';

const WAYS: readonly (readonly [Way, string])[] = [
  ['email', 'E-mail'],
  ['sms', 'SMS'],
  ['webhook', 'Webhook'],
];

interface NewRuleProps {
  /** Resolves to whether the cluster took it. */
  readonly onAdd: (rule: AlertRule) => Promise<boolean>;
}

export function NewRule({ onAdd }: NewRuleProps) {
  const { session } = useSigned();
  const [severity, setSeverity] = useState<Severity>('high');
  const [types, setTypes] = useState('');
  const [all, setAll] = useState(true);
  const [via, setVia] = useState<readonly Way[]>(['email']);
  const [digest, setDigest] = useState<Digest>('none');
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const named = types.split(/[\s,]+/).filter(Boolean);
    const added = await onAdd({
      id: `rule-${Date.now().toString(36)}`,
      properties: all ? '*' : session.portfolio.get(),
      ...(named.length > 0 ? { types: named } : {}),
      min_severity: severity,
      via,
      digest,
      ...(from && to
        ? { quiet_hours: { from, to, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC' } }
        : {}),
    });
    if (added) setTypes('');
  }

  return (
    <form className="fields" onSubmit={(event) => void submit(event)} aria-label="New rule">
      <label>
        From this severity on
        <select value={severity} onChange={({ target }) => setSeverity(target.value as Severity)}>
          {SEVERITIES.map((value) => (
            <option key={value} value={value}>
              {SEVERITY_NAMES[value]}
            </option>
          ))}
        </select>
      </label>
      <label>
        Types
        <input placeholder="All, or HPD, ECB" value={types} onChange={({ target }) => setTypes(target.value)} />
      </label>
      <label>
        Properties
        <select value={all ? 'all' : 'portfolio'} onChange={({ target }) => setAll(target.value === 'all')}>
          <option value="all">All that I may see</option>
          <option value="portfolio">Those in my portfolio now</option>
        </select>
      </label>
      <label>
        How often
        <select value={digest} onChange={({ target }) => setDigest(target.value as Digest)}>
          <option value="none">At once</option>
          <option value="hourly">Collected, hourly</option>
          <option value="daily">Collected, daily</option>
        </select>
      </label>
      <label>
        Quiet from
        <input type="time" value={from} onChange={({ target }) => setFrom(target.value)} />
      </label>
      <label>
        Quiet until
        <input type="time" value={to} onChange={({ target }) => setTo(target.value)} />
      </label>
      <fieldset>
        <legend>By</legend>
        {WAYS.map(([way, name]) => (
          <label key={way} className="check">
            <input
              type="checkbox"
              checked={via.includes(way)}
              onChange={({ target }) =>
                setVia((was) => (target.checked ? [...was, way] : was.filter((other) => other !== way)))
              }
            />
            {name}
          </label>
        ))}
      </fieldset>
      <button type="submit" className="button primary" disabled={via.length === 0}>
        Add rule
      </button>
    </form>
  );
}
