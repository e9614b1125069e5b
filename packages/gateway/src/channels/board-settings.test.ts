import { describe, expect, it } from 'vitest';
import { parseBoardIntervals } from './board-settings.js';

describe('how often a board pushes', () => {
  const intervals = (...entries: string[]) => ['tasks', 'audit', 'sources'].map(parseBoardIntervals(entries));

  it.each([
    [[], [2_000, 2_000, 2_000]],
    [['tasks:500'], [500, 2_000, 2_000]],
    [
      ['tasks:500', 'audit:0'],
      [500, 0, 2_000],
    ],
    [['*:100'], [100, 100, 100]],
    [
      ['tasks:500', '*:100'],
      [500, 100, 100],
    ],
  ])('%j: boards that are not named keep what is said of all, or two seconds', (entries, expected) => {
    expect(intervals(...entries)).toEqual(expected);
  });

  it.each(['tasks', 'tasks:', 'tasks:-1', 'tasks:0.5', 'a board:1', 'tasks:3600001'])('refuses %j', (entry) => {
    expect(() => parseBoardIntervals([entry])).toThrow(JSON.stringify(entry));
  });
});
