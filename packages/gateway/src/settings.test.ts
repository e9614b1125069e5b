import { ConfigurationError, readSettings, type Settings } from '@belfry/shared/service';
import { describe, expect, it } from 'vitest';
import { gatewaySettings } from './settings.js';

const REQUIRED = { JWT_SECRET: 'a-secret-of-more-than-32-characters-0123' };
const read = (environment: Record<string, string>) => readSettings(gatewaySettings, { ...REQUIRED, ...environment });

describe('the settings of a gateway', () => {
  it('have defaults that are allowed by themselves', () => {
    const values = read({});
    expect(values.WEBSOCKET_PORT).toBe(8765);
    expect(values.OPERATOR_PORT).toBe(9765);
    expect(values.MAX_CONNECTIONS).toBe(10_000);
  });

  it('are each described, with what is allowed', () => {
    for (const setting of Object.values(gatewaySettings as Settings)) {
      expect(setting.text.length).toBeGreaterThan(10);
      expect(setting.allowed).not.toBe('');
    }
  });

  it('that are numbers are refused just outside of their range, and when they are no numbers', () => {
    for (const [name, setting] of Object.entries(gatewaySettings as Settings)) {
      const range = /^(-?\d+) to (\d+)/.exec(setting.allowed);
      if (!range) continue;
      const [min, max] = [Number(range[1]), Number(range[2])];
      for (const wrong of [min - 1, max + 1, '1e3', '5.5', 'ten', '0x10', ' ']) {
        const value = String(wrong);
        expect(() => read({ [name]: value }), `${name}=${value}`).toThrow(ConfigurationError);
      }
      expect(() => read({ [name]: String(min) }), `${name}=${min}`).not.toThrow();
    }
  });

  it('say in one line which variable is wrong, its value, and what is allowed', () => {
    expect(() => read({ MAX_CONNECTIONS: '0' })).toThrow(/^MAX_CONNECTIONS="0" must be 1 to 1000000; /);
    expect(() => read({ LOG_LEVEL: 'loud' })).toThrow(/^LOG_LEVEL="loud" must be one of fatal \| error/);
  });

  it('that are empty are those that are not set', () => {
    expect(read({ WEBSOCKET_PORT: '' }).WEBSOCKET_PORT).toBe(8765);
  });

  it('that are secrets are not shown when they are wrong', () => {
    const secrets = Object.entries(gatewaySettings as Settings).filter(([, { secret }]) => secret);
    expect(secrets.length).toBeGreaterThanOrEqual(2);
    const message = (() => {
      try {
        return String(readSettings(gatewaySettings, { JWT_SECRET_FILE: '/nowhere/at-all' }));
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message).toMatch(/^JWT_SECRET_FILE="\/nowhere\/at-all" cannot be read/);
  });
});
