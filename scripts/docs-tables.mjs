// @ts-check
/** The tables of the documentation, written from the registries in code: pure, registry in, Markdown out. */

/**
 * @typedef {{ fields: readonly string[], more: readonly string[], text: string }} MessageDescription
 * @typedef {{ type: string, text: string }} FieldDescription
 * @typedef {{ code: number, reason: string, client: string }} CloseCode
 * @typedef {object} Setting
 * @property {string} text
 * @property {string | undefined} default
 * @property {string | undefined} defaultText
 * @property {string} allowed
 * @property {boolean} secret
 * @typedef {object} Metric
 * @property {string} name
 * @property {string} help
 * @property {string} type
 * @property {readonly string[]} labels
 */

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A bar would end the cell. @param {string} text */
const cell = (text) => text.replaceAll('|', '\\|');
/** @param {string} text */
const code = (text) => `\`${text}\``;
/** @param {readonly string[]} names */
const codes = (names) => (names.length === 0 ? '–' : names.map(code).join(', '));

/** @param {Readonly<Record<string, MessageDescription>>} messages */
export const messagesTable = (messages) =>
  table(
    ['`type`', 'fields', 'more fields', ''],
    Object.entries(messages).map(([type, { fields, more, text }]) => [code(type), codes(fields), codes(more), text]),
  );

/** @param {Readonly<Record<string, FieldDescription>>} fields */
export const fieldsTable = (fields) =>
  table(
    ['field', 'JSON', 'meaning'],
    Object.entries(fields).map(([name, { type, text }]) => [code(name), type, text]),
  );

/** @param {Readonly<Record<string, string>>} errors */
export const errorCodesTable = (errors) =>
  table(
    ['`code`', 'meaning'],
    Object.entries(errors).map(([name, text]) => [code(name), text]),
  );

/** @param {Readonly<Record<string, number>>} errors status by code */
export const httpErrorsTable = (errors) =>
  table(
    ['status', '`code`'],
    Object.entries(errors).map(([name, status]) => [`${status}`, code(name)]),
  );

/** @type {Readonly<Record<string, string>>} */
const AFTER_CLOSE = {
  stop: 'stops: coming back would end the same way',
  new_token: 'fetches a new token, then reconnects',
  reconnect_after_delay: 'reconnects after the delay it was given, or with backoff',
  reconnect_with_backoff: 'reconnects with backoff',
};

/** @param {Readonly<Record<string, CloseCode>>} closes */
export const closeCodesTable = (closes) =>
  table(
    ['code', 'reason', 'the client'],
    Object.values(closes).map(({ code: number, reason, client }) => {
      const then = AFTER_CLOSE[client];
      if (then === undefined) throw new Error(`nothing says what a client does after a close of the kind ${client}`);
      return [`${number}`, reason, then];
    }),
  );

/**
 * @param {Readonly<Record<string, Setting>>} settings
 * @param {readonly string[]} [names] in this order; default: all
 */
export const settingsTable = (settings, names = Object.keys(settings)) =>
  table(
    ['variable', 'default', 'allowed', 'meaning'],
    names.map((name) => {
      const setting = settings[name];
      if (!setting) throw new Error(`there is no setting ${name}`);
      return [code(name), defaultOf(setting), setting.allowed, setting.text];
    }),
  );

/**
 * The secrets, which may be read from files, and who reads them.
 * @param {Readonly<Record<string, Readonly<Record<string, Setting>>>>} processes settings by the process's name
 */
export function secretFilesTable(processes) {
  const names = Object.values(processes).flatMap((settings) =>
    Object.keys(settings).filter((name) => settings[name]?.secret),
  );
  return table(
    ['secret', 'path of its file', 'read by'],
    [...new Set(names)].map((name) => {
      const readers = Object.keys(processes).filter((process) => processes[process]?.[name]);
      return [code(name), code(`${name}_FILE`), readers.join(', ')];
    }),
  );
}

/** @param {Setting} setting */
function defaultOf({ default: value, defaultText }) {
  if (defaultText !== undefined) return defaultText;
  if (value === undefined) return '**required**';
  return value === '' ? '(empty)' : code(value);
}

/**
 * @typedef {{ what: string, setting: string, beyond: string }} Limit
 * @param {Readonly<Record<string, Setting>>} settings
 * @param {readonly Limit[]} limits
 */
export const limitsTable = (settings, limits) =>
  table(
    ['what', 'default', 'set by', 'beyond it'],
    limits.map(({ what, setting: name, beyond }) => {
      const setting = settings[name];
      if (setting?.default === undefined) throw new Error(`there is no setting ${name} with a default`);
      const unit = /[\d ](bytes|seconds)$/.exec(setting.allowed)?.[1];
      const value = Number(setting.default).toLocaleString('en');
      return [what, unit ? `${value} ${unit}` : value, code(name), beyond];
    }),
  );

/** @param {readonly Metric[]} metrics */
export const metricsTable = (metrics) =>
  table(
    ['metric', 'type', 'labels', 'meaning'],
    metrics.map(({ name, type, labels, help }) => [code(name), type, codes(labels), help]),
  );

/** @param {Readonly<Record<string, Readonly<Record<string, boolean>>>>} access per reader, per channel */
export function accessTableOf(access) {
  const readers = Object.keys(access);
  const channels = Object.keys(Object.values(access)[0] ?? {});
  return table(
    ['', ...readers],
    channels.map((channel) => [channel, ...readers.map((reader) => (access[reader]?.[channel] ? 'yes' : '–'))]),
  );
}

/** @param {readonly { method: string, path: string, text: string }[]} routes */
export const operatorCallsTable = (routes) =>
  table(
    ['call', 'what it does'],
    routes.map(({ method, path, text }) => [code(`${method} ${path}`), text]),
  );

/** @param {readonly { control: string, test: string, named: string, verdict: string, source: string }[]} controls */
export const controlsTable = (controls) =>
  table(
    ['control', 'test', 'verdict', 'source'],
    controls.map(({ control, named, source, test, verdict }) => [
      control,
      `${code(test)}: “${named}”`,
      verdict,
      source,
    ]),
  );
