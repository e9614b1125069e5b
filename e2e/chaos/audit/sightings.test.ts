/** The auditor of epochs that came and went between two readings of the log: what was passed over is found. */
import { describe, expect, it } from 'vitest';
import { changeNumber, GLOBAL } from '../names.js';
import { createChain } from './chain.js';
import { createFindings } from './findings.js';
import { packEpoch } from './record.js';
import { createSightings } from './sightings.js';

const STARTED_AT = 1_700_000_000_000;
const FIRST = packEpoch(STARTED_AT + 1_000, STARTED_AT);
const SECOND = packEpoch(STARTED_AT + 2_000, STARTED_AT);
const PROPERTY = 4;
const change = (n: number) => changeNumber(PROPERTY, n);

/** @param seen epoch, offset, n of what somebody received @param to whether the position crossed to is an event's */
function crossing(
  seen: readonly (readonly [number, number, number])[],
  channel = PROPERTY,
  eventAtEnd = true,
  chain = createChain(),
) {
  const findings = createFindings();
  const sightings = createSightings(findings, STARTED_AT);
  for (const [epoch, offset, n] of seen) sightings.sighted(channel, epoch, offset, change(n));
  sightings.crossed(channel, { epoch: FIRST, offset: 0 }, { epoch: SECOND, offset: 0 }, eventAtEnd);
  const next = Array.from({ length: PROPERTY + 1 }, () => 1_000);
  sightings.check(new Map([[channel, chain]]), next);
  return findings.total;
}

it.each([
  [
    'the next change',
    [
      [FIRST, 0, 3],
      [SECOND, 0, 4],
    ],
    PROPERTY,
  ],
  [
    'a later change, where those between were refused or lost by Redis before anybody saw them',
    [
      [FIRST, 0, 3],
      [SECOND, 0, 9],
    ],
    PROPERTY,
  ],
  [
    'a change that Redis had lost, and that was appended again',
    [
      [FIRST, 0, 3],
      [FIRST, 1, 4],
      [SECOND, 0, 4],
    ],
    PROPERTY,
  ],
] as const)('going on with %s is no violation', (_, seen, channel) => {
  expect(crossing(seen, channel)).toBe(0);
});

it.each([
  [
    'the epoch that was left',
    [
      [FIRST, 0, 3],
      [FIRST, 1, 4],
      [SECOND, 0, 5],
    ],
    PROPERTY,
  ],
  [
    'an epoch in between',
    [
      [FIRST, 0, 3],
      [FIRST + 1, 0, 4],
      [SECOND, 0, 5],
    ],
    PROPERTY,
  ],
  [
    'global, where numbers tell nothing',
    [
      [FIRST, 0, 3],
      [FIRST, 1, 4],
      [SECOND, 0, 4],
    ],
    GLOBAL,
  ],
] as const)('an event of %s that somebody else received is one', (_, seen, channel) => {
  expect(crossing(seen, channel)).toBe(1);
});

it('so is the event at the end itself, where the client was told that it is there already', () => {
  expect(
    crossing(
      [
        [FIRST, 0, 3],
        [SECOND, 0, 4],
      ],
      PROPERTY,
      false,
    ),
  ).toBe(1);
});

describe('of the epoch that was left, what Redis lost with the end of its log', () => {
  const seen = [
    [FIRST, 0, 3],
    [FIRST, 1, 4],
    [FIRST, 2, 5],
    [SECOND, 0, 6],
  ] as const;
  const entry = (offset: number) => ({ epoch: STARTED_AT + 1_000, offset, change: change(3 + offset) });

  it('was passed over by Redis, not by who follows', () => {
    const chain = createChain();
    chain.replace([entry(0), entry(1)]);
    // An older copy; the entry at 2 came and went between two readings.
    chain.replace([entry(0)]);
    expect(crossing(seen, PROPERTY, true, chain)).toBe(0);
  });

  it('is told from what it still has', () => {
    const chain = createChain();
    chain.replace([entry(0), entry(1)]);
    chain.replace([entry(0), entry(1)]);
    expect(crossing(seen, PROPERTY, true, chain)).toBe(1);
  });

  it('ends where something is left', () => {
    const chain = createChain();
    chain.replace([entry(0), entry(1), entry(2)]);
    chain.replace([entry(0), entry(1)]);
    expect(crossing(seen, PROPERTY, true, chain)).toBe(1);
  });
});
