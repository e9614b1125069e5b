/** The gateway's HTTP calls that the SDK does not make: the user's alert rules. */
import type { Severity } from '@belfry/client';
import type { Session } from './session.js';

export type Way = 'email' | 'sms' | 'webhook';
export type Digest = 'none' | 'hourly' | 'daily';

export interface AlertRule {
  readonly id: string;
  readonly properties: '*' | readonly string[];
  readonly types?: readonly string[];
  readonly min_severity: Severity;
  readonly via: readonly Way[];
  readonly quiet_hours?: { readonly from: string; readonly to: string; readonly time_zone?: string };
  readonly digest: Digest;
}

export interface Preferences {
  readonly email?: string;
  readonly sms?: string;
  readonly webhook?: { readonly url: string; readonly secret: string };
  readonly rules: readonly AlertRule[];
  /** Ways of these rules by which nothing leaves at present: the cluster says so. */
  readonly undeliverable?: readonly Way[];
}

/** An alert that was given up. */
export interface Undelivered {
  readonly delivery_id: string;
  readonly rule: string;
  readonly way: Way;
  readonly reason: string;
  readonly timestamp: number;
  readonly events: readonly { readonly property_id: string; readonly message: string }[];
  readonly more: number;
}

/** `wss://host/ws` is `https://host` + path. */
const addressOf = (gateway: string, path: string): string =>
  new URL(gateway.replace(/^ws/, 'http')).href.replace(/(\/ws(\/dashboard)?)?\/?$/, path);

/** Asks one gateway after the other. @throws Error with the gateway's sentence */
async function call(session: Session, path: string, init: RequestInit): Promise<unknown> {
  let failure: unknown;
  for (const gateway of session.gateways) {
    let response: Response;
    try {
      response = await fetch(addressOf(gateway, path), {
        ...init,
        headers: { authorization: `Bearer ${session.token()}`, ...init.headers },
      });
    } catch (error) {
      failure = error;
      continue;
    }
    const body = (await response.json().catch(() => ({}))) as { message?: unknown };
    if (response.ok) return body;
    throw new Error(typeof body.message === 'string' ? body.message : `the gateway answered ${response.status}`);
  }
  throw new Error('No gateway can be reached at the moment.', { cause: failure });
}

export async function readPreferences(session: Session): Promise<Preferences> {
  return { rules: [], ...((await call(session, '/v1/preferences', {})) as Partial<Preferences>) };
}

export async function writePreferences(session: Session, preferences: Preferences): Promise<Preferences> {
  const { undeliverable: _, ...wanted } = preferences;
  const body = JSON.stringify(wanted);
  const init = { method: 'PUT', body, headers: { 'content-type': 'application/json' } };
  return { rules: [], ...((await call(session, '/v1/preferences', init)) as Partial<Preferences>) };
}

/** Newest first. */
export async function readUndelivered(session: Session): Promise<readonly Undelivered[]> {
  const { undelivered } = (await call(session, '/v1/undelivered', {})) as { undelivered?: readonly Undelivered[] };
  return undelivered ?? [];
}
