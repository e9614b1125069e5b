/** The list of controls is whole: every row's tests exist, its twin fits the code. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONTROLS } from '../../scripts/security/index.mjs';
import { ROOT } from '../../scripts/setup.mjs';

it('has each control once', () => {
  expect(new Set(CONTROLS.map(({ id }) => id)).size).toBe(CONTROLS.length);
});

describe.each(CONTROLS.map((control) => [control.id, control] as const))('%s', (_, control) => {
  it('is shown by a test that exists', () => {
    expect(existsSync(join(ROOT, control.test))).toBe(true);
  });
  it('has a twin that fits the code', () => {
    const text = readFileSync(join(ROOT, control.twin.file), 'utf8');
    expect(text.split(control.twin.find).length - 1).toBe(1);
  });
});
