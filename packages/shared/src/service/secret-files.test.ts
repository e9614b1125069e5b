/** Secrets follow their files the way a kubelet replaces them, and a bad file never takes a good secret away. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from './clock.js';
import { createLogger } from './logger.js';
import { watchSecretFiles } from './secret-files.js';
import { ConfigurationError, secret } from './settings.js';

const settings = {
  KEY: secret({ text: 'A key', check: (value) => (value.length < 3 ? 'is too short' : undefined) }),
  PREVIOUS_KEY: secret({ text: 'The key before', default: '' }),
};

let folder: string;
let log: string[];
let tick: () => void;
let stopped: boolean;

const clock: Clock = {
  now: () => 0,
  after: () => () => undefined,
  every: (_ms, run) => {
    tick = run;
    return () => {
      stopped = true;
    };
  },
};
const logger = createLogger('test', 'info', { write: (line) => void log.push(line) });

/** As a kubelet does it: a new folder with all the files, then the link `..data` is moved over to it in one step. */
let generation = 0;
function mount(files: Readonly<Record<string, string>>): void {
  generation += 1;
  const data = `..generation-${generation}`;
  mkdirSync(join(folder, data));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, data, name), content);
  symlinkSync(data, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
}

const environment = () => ({
  KEY_FILE: join(folder, '..data', 'key'),
  PREVIOUS_KEY_FILE: join(folder, '..data', 'previous'),
});

function watch(given: Readonly<Record<string, string>> = environment(), refuse?: string) {
  const seen: { KEY: string; PREVIOUS_KEY: string }[] = [];
  const stop = watchSecretFiles({
    settings,
    environment: given,
    clock,
    logger,
    onChange: (values) => {
      if (values.KEY === refuse) throw new Error('not this one');
      seen.push(values);
    },
  });
  return { seen, stop };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-secrets-'));
  log = [];
  stopped = false;
  tick = () => {
    throw new Error('nothing is watched');
  };
  mount({ key: 'first\n', previous: '' });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('secret files', () => {
  it('are read again, all of them at once, when a kubelet has replaced them', () => {
    const { seen, stop } = watch();
    tick();
    expect(seen).toEqual([]);
    mount({ key: 'second\n', previous: 'first\n' });
    tick();
    tick();
    expect(seen).toEqual([{ KEY: 'second', PREVIOUS_KEY: 'first' }]);
    stop();
    expect(stopped).toBe(true);
  });

  it('that are gone, empty or unfit change nothing, and say so once', () => {
    const { seen } = watch();
    const unfit: Readonly<Record<string, string>>[] = [
      { previous: '' },
      { key: '', previous: '' },
      { key: 'ab', previous: '' },
    ];
    for (const files of unfit) {
      log = [];
      mount(files);
      tick();
      tick();
      expect(log).toHaveLength(1);
      expect(log[0]).toContain('the old ones stay');
    }
    mount({ key: 'third', previous: '' });
    tick();
    expect(seen).toEqual([{ KEY: 'third', PREVIOUS_KEY: '' }]);
  });

  it('that their user refuses are offered again', () => {
    const { seen } = watch(environment(), 'refused');
    mount({ key: 'refused', previous: '' });
    tick();
    tick();
    expect(log).toHaveLength(1);
    mount({ key: 'fourth', previous: '' });
    tick();
    expect(seen.map(({ KEY }) => KEY)).toEqual(['fourth']);
  });

  it('never show in the log', () => {
    watch();
    mount({ key: 'canary-secret-1', previous: 'canary-secret-2' });
    tick();
    mount({ key: 'x', previous: 'canary-secret-2' });
    tick();
    expect(log).toHaveLength(2);
    expect(log.join('')).not.toContain('canary-secret');
  });

  it('are not watched where the secrets come from the environment', () => {
    const { stop } = watch({ KEY: 'from-environment' });
    expect(tick).toThrow('nothing is watched');
    stop();
    expect(stopped).toBe(false);
  });

  it('that cannot be read at the start stop the process', () => {
    expect(() => watch({ KEY_FILE: join(folder, 'nowhere') })).toThrow(ConfigurationError);
  });
});
