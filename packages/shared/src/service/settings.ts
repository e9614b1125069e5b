/**
 * Configuration from the environment. Each process declares its settings once, with their text, default and range; the
 * same declaration reads the environment, stops the process on a wrong value, and writes the table in the README.
 */
import { readFileSync } from 'node:fs';

export interface Setting<T> {
  readonly text: string;
  /** As written in the environment; undefined where the setting has no default. */
  readonly default: string | undefined;
  /** What documentation shows instead of a default that differs from machine to machine. */
  readonly defaultText: string | undefined;
  /** What is allowed, in words. */
  readonly allowed: string;
  readonly secret: boolean;
  /** Throws an Error that says what is wrong; its message follows the variable's name. */
  readonly read: (value: string) => T;
}

export type Settings = Readonly<Record<string, Setting<unknown>>>;
export type SettingValues<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

export class ConfigurationError extends Error {
  readonly code = 'CONFIGURATION';
}

interface Common<T> {
  readonly text: string;
  readonly default?: string;
  readonly defaultText?: string;
  /** What is allowed, in words, where it is less than the kind allows; `check` sees to it. */
  readonly allowed?: string;
  /** Tried after the kind's own check; returns what is wrong. */
  readonly check?: (value: T) => string | undefined;
}

function setting<T>(common: Common<T>, ofKind: string, read: (value: string) => T, secret = false): Setting<T> {
  return {
    text: common.text,
    default: common.default,
    defaultText: common.defaultText,
    allowed: common.allowed ?? ofKind,
    secret,
    read: (value) => {
      const result = read(value);
      const wrong = common.check?.(result);
      if (wrong) throw new Error(wrong);
      return result;
    },
  };
}

export const text = (common: Common<string>): Setting<string> => setting(common, 'text', (value) => value);

/** Text of a form of its own: one expression refuses the rest, and one sentence says so wherever it is asked for. */
export const textOf = (form: { pattern: RegExp; allowed: string }, common: Common<string>): Setting<string> =>
  text({
    ...common,
    allowed: form.allowed,
    check: (value) => (form.pattern.test(value) ? undefined : `must be ${form.allowed}`),
  });

/** Like `text`, but never shown, and readable from a file: `NAME_FILE` holds its path. */
export const secret = (common: Common<string>): Setting<string> => setting(common, 'text', (value) => value, true);

/** A whole number of the given unit, from `min` to `max`. */
export function integer(common: Common<number> & { min: number; max: number; unit?: string }): Setting<number> {
  const unit = common.unit ? ` ${common.unit}` : '';
  const allowed = `${common.min} to ${common.max}${unit}`;
  return setting(common, allowed, (value) => {
    const number = Number(value);
    if (!/^-?\d+$/.test(value) || number < common.min || number > common.max) throw new Error(`must be ${allowed}`);
    return number;
  });
}

export function choice<T extends string>(common: Common<T>, values: readonly T[]): Setting<T> {
  const allowed = values.join(' | ');
  return setting(common, allowed, (value) => {
    if (!(values as readonly string[]).includes(value)) throw new Error(`must be one of ${allowed}`);
    return value as T;
  });
}

export const flag = (common: Common<boolean>): Setting<boolean> =>
  setting(common, 'true | false', (value) => {
    if (value !== 'true' && value !== 'false') throw new Error('must be true or false');
    return value === 'true';
  });

export const list = (common: Common<readonly string[]>): Setting<readonly string[]> =>
  setting(common, 'comma-separated', (value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );

/**
 * One whose default is empty may be left out.
 * @param common.secret for addresses that may hold a password: never shown, and readable from `NAME_FILE`
 * @param common.severalHosts the URL may name more than one host, separated by commas
 */
export function url(
  common: Common<string> & { protocols: readonly string[]; secret?: boolean; severalHosts?: boolean },
): Setting<string> {
  const allowed = common.protocols.map((protocol) => `${protocol}//…`).join(' or ');
  const isAllowed = (each: string) => URL.canParse(each) && common.protocols.includes(new URL(each).protocol);
  const read = (value: string) => {
    if (value === '' && common.default === '') return value;
    const urls = common.severalHosts ? urlPerHost(value) : [value];
    if (!urls.every(isAllowed)) throw new Error(`must be ${allowed}`);
    return value;
  };
  return setting(common, allowed, read, common.secret);
}

/** `scheme://credentials@a,b/path` as a URL of `a` and one of `b`: as a whole it is no URL by the standard. */
function urlPerHost(value: string): string[] {
  const [, before = '', hosts = '', after = ''] = /^([^/]*\/\/(?:[^@/]*@)?)([^/?#]*)(.*)$/.exec(value) ?? [];
  return hosts.split(',').map((host) => (before === '' ? value : before + host + after));
}

/**
 * Reads every declared setting from `environment`.
 * @throws ConfigurationError with one line that names the variable, its value (unless secret) and what is allowed
 */
export function readSettings<S extends Settings>(
  settings: S,
  environment: Readonly<Record<string, string | undefined>>,
): SettingValues<S> {
  const values: Record<string, unknown> = {};
  for (const [name, declared] of Object.entries(settings)) {
    const given = declared.secret ? secretFrom(name, environment) : environment[name];
    const value = given === undefined || given === '' ? declared.default : given;
    if (value === undefined) {
      throw new ConfigurationError(`${name} is not set; ${declared.text} (${declared.allowed})`);
    }
    try {
      values[name] = declared.read(value);
    } catch (cause) {
      const shown = declared.secret ? '' : `=${JSON.stringify(value)}`;
      throw new ConfigurationError(`${name}${shown} ${(cause as Error).message}; ${declared.text}`, { cause });
    }
  }
  return values as SettingValues<S>;
}

function secretFrom(name: string, environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const path = environment[`${name}_FILE`];
  if (!path || environment[name]) return environment[name];
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ConfigurationError(`${name}_FILE=${JSON.stringify(path)} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}
