/** Structured logs. Only what is named here may hold secrets, and it is cut out before a line is written. */
import { type Logger, pino } from 'pino';
import { choice } from './settings.js';

export type { Logger } from 'pino';

export const logSettings = {
  LOG_LEVEL: choice({ text: 'Least severe level that is logged', default: 'info' }, [
    'fatal',
    'error',
    'warn',
    'info',
    'debug',
    'trace',
    'silent',
  ]),
} as const;

/** @param service the process's name, on every line */
export function createLogger(service: string, level: string, destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: { service },
    timestamp: () => `,"time":${Date.now() / 1000}`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: [
        'token',
        '*.token',
        'authorization',
        '*.authorization',
        'headers',
        '*.headers',
        'url',
        'password',
        '*.password',
      ],
      censor: '[redacted]',
    },
  };
  return destination ? pino(options, destination) : pino(options);
}
