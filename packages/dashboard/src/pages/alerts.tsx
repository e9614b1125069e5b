/** How to be told: in this browser, and by rules that the cluster follows when the browser is closed. */

import type { Severity } from '@belfry/client';
import { useState } from 'react';
import { allowSound, playTone } from '../notify/sound.js';
import { useSigned } from '../parts/context.js';
import { SEVERITIES, SEVERITY_NAMES } from '../state/severity.js';
import { useStore } from '../state/store.js';
import { AlertRules } from './alert-rules.js';

export function AlertsPage() {
  return (
    <>
      <h1>Alerts</h1>
      <div className="halves">
        <BrowserNotices />
        <AlertRules />
      </div>
    </>
  );
}

function BrowserNotices() {
  const { notices } = useSigned();
  const settings = useStore(notices);
  const [note, setNote] = useState<string>();
  const change = (part: Partial<typeof settings>): void => notices.set((was) => ({ ...was, ...part }));

  async function toggleSound(on: boolean): Promise<void> {
    if (!on) return change({ sound: false });
    const allowed = await allowSound();
    setNote(allowed ? undefined : 'The browser blocks sound on this page.');
    change({ sound: allowed });
    if (allowed) playTone(settings.volume);
  }

  async function toggleDesktop(on: boolean): Promise<void> {
    if (!on) return change({ desktop: false });
    const permission = 'Notification' in globalThis ? await Notification.requestPermission() : 'denied';
    setNote(permission === 'granted' ? undefined : 'The browser does not allow notifications for this page.');
    change({ desktop: permission === 'granted' });
  }

  return (
    <section className="card form" aria-labelledby="notices-title">
      <h2 id="notices-title">In this browser</h2>
      <label className="check">
        <input
          type="checkbox"
          checked={settings.toasts}
          onChange={({ target }) => change({ toasts: target.checked })}
        />
        Show a message for each update
      </label>
      <label htmlFor="min-severity">Messages from this severity on</label>
      <select
        id="min-severity"
        value={settings.minSeverity}
        onChange={({ target }) => change({ minSeverity: target.value as Severity })}
      >
        {SEVERITIES.map((severity) => (
          <option key={severity} value={severity}>
            {SEVERITY_NAMES[severity]}
          </option>
        ))}
      </select>
      <label className="check">
        <input type="checkbox" checked={settings.sound} onChange={({ target }) => void toggleSound(target.checked)} />
        Play a sound for critical updates
      </label>
      <label htmlFor="volume">Volume</label>
      <input
        id="volume"
        type="range"
        min="0"
        max="1"
        step="0.05"
        value={settings.volume}
        onChange={({ target }) => change({ volume: Number(target.value) })}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={settings.desktop}
          onChange={({ target }) => void toggleDesktop(target.checked)}
        />
        Notify me of critical updates while this page is hidden
      </label>
      <p className="error" role="alert">
        {note}
      </p>
    </section>
  );
}
