import { describe, expect, it } from 'vitest';
import { createMachine, type Entries, type Happening, isOpen, type Place, statusOf, TRANSITIONS } from './machine.js';

const PLACES = Object.keys(TRANSITIONS) as Place[];
const HAPPENINGS: readonly Happening[] = [
  'connect',
  'lead',
  'follow',
  'token',
  'welcome',
  'accepted',
  'silence',
  'frame',
  'dropped',
  'refused',
  'due',
  'suspend',
  'resume',
  'close',
];

/** Written out a second time, as a table that a person can check; `.` means: ignored. */
const TABLE: Readonly<Record<Place, string>> = {
  //                   connect  lead             follow    token         welcome    accepted   silence    frame      dropped refused due      suspend   resume   close
  idle: '              electing .                .         .             .          .          .          .          .       .       .        .         .        closed',
  electing:
    '          .        open.authorizing following .             .          .          .          .          waiting closed  .        suspended .        closed',
  'open.authorizing':
    '.        .                .         open.greeting .          .          .          .          waiting closed  .        suspended .        closed',
  'open.greeting':
    '   .        .                .         .             open.login .          .          .          waiting closed  .        suspended .        closed',
  'open.login':
    '      .        .                .         .             .          open.ready .          .          waiting closed  .        suspended .        closed',
  'open.ready':
    '      .        .                .         .             .          .          open.doubt .          waiting closed  .        suspended .        closed',
  'open.doubt':
    '      .        .                .         .             .          .          .          open.ready waiting closed  .        suspended .        closed',
  following:
    '         .        .                .         .             .          .          .          .          waiting closed  .        suspended .        closed',
  waiting:
    '           .        .                .         .             .          .          .          .          .       .       electing suspended .        closed',
  suspended:
    '         .        .                .         .             .          .          .          .          .       .       .        .         electing closed',
  closed:
    '            electing .                .         .             .          .          .          .          .       .       .        .         .        .',
};

/** A way from `idle` to each place. */
const WAYS: Readonly<Record<Place, readonly Happening[]>> = {
  idle: [],
  electing: ['connect'],
  'open.authorizing': ['connect', 'lead'],
  'open.greeting': ['connect', 'lead', 'token'],
  'open.login': ['connect', 'lead', 'token', 'welcome'],
  'open.ready': ['connect', 'lead', 'token', 'welcome', 'accepted'],
  'open.doubt': ['connect', 'lead', 'token', 'welcome', 'accepted', 'silence'],
  following: ['connect', 'follow'],
  waiting: ['connect', 'dropped'],
  suspended: ['connect', 'suspend'],
  closed: ['close'],
};

function record() {
  const log: string[] = [];
  const entry = (place: string) => () => {
    log.push(`+${place}`);
    return () => void log.push(`-${place}`);
  };
  const entries = Object.fromEntries([...PLACES, 'open'].map((place) => [place, entry(place)])) as unknown as Entries;
  return { log, entries };
}

function machineAt(place: Place) {
  const { log, entries } = record();
  const machine = createMachine(entries, () => undefined);
  for (const happening of WAYS[place]) machine.send(happening);
  expect(machine.place).toBe(place);
  log.length = 0;
  return { machine, log };
}

describe('the machine', () => {
  for (const place of PLACES) {
    const row = TABLE[place].trim().split(/\s+/);
    HAPPENINGS.forEach((happening, index) => {
      const expected = row[index] === '.' ? place : row[index];
      it(`goes from ${place} on ${happening} to ${expected}`, () => {
        const { machine, log } = machineAt(place);
        machine.send(happening);
        expect(machine.place).toBe(expected);
        if (expected === place) expect(log).toEqual([]);
      });
    });
  }

  it('takes down what entering a place set up before it enters the next', () => {
    const { machine, log } = machineAt('waiting');
    machine.send('due');
    expect(log).toEqual(['-waiting', '+electing']);
  });

  it('keeps what belongs to a connection from its first place to its last', () => {
    const { machine, log } = machineAt('electing');
    for (const happening of ['lead', 'token', 'welcome', 'accepted', 'silence', 'frame', 'dropped'] as const) {
      machine.send(happening);
    }
    expect(log.filter((line) => /^.(open|electing|waiting)$/.test(line))).toEqual([
      '-electing',
      '+open',
      '-open',
      '+waiting',
    ]);
    expect(log.at(-2)).toBe('-open');
  });

  it('finishes a transition before it begins one that was caused by it', () => {
    const { log, entries } = record();
    const machine = createMachine(
      {
        ...entries,
        electing: () => {
          machine.send('lead');
          return entries.electing();
        },
      },
      (place, from) => log.push(`${from}>${place}`),
    );
    machine.send('connect');
    expect(log).toEqual([
      '+electing',
      'idle>electing',
      '-electing',
      '+open',
      '+open.authorizing',
      'electing>open.authorizing',
    ]);
  });

  it('can leave every place but closed by close, and closed by connect', () => {
    for (const place of PLACES) {
      expect(TRANSITIONS[place][place === 'closed' ? 'connect' : 'close']).toBeDefined();
    }
  });

  it('is in a connection exactly in the places whose name says so', () => {
    expect(PLACES.filter(isOpen)).toEqual([
      'open.authorizing',
      'open.greeting',
      'open.login',
      'open.ready',
      'open.doubt',
    ]);
  });
});

describe('the public status', () => {
  it.each([
    ['idle', 'initial', 'initial'],
    ['electing', 'connecting', 'reconnecting'],
    ['open.authorizing', 'connecting', 'reconnecting'],
    ['open.greeting', 'connecting', 'reconnecting'],
    ['open.login', 'connecting', 'reconnecting'],
    ['open.ready', 'connected', 'connected'],
    ['open.doubt', 'connected', 'connected'],
    ['following', 'connected', 'connected'],
    ['waiting', 'connecting', 'reconnecting'],
    ['suspended', 'connecting', 'reconnecting'],
    ['closed', 'disconnected', 'disconnected'],
  ] as const)('at %s is %s, and %s where there was a connection before', (place, first, later) => {
    expect(statusOf(place, false)).toBe(first);
    expect(statusOf(place, true)).toBe(later);
  });
});
