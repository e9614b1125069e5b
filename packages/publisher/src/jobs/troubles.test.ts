/** An absence of Redis is told once and once that it is over, whatever tells of it; and no failure of another kind is lost in it. */
import { createLogger } from '@belfry/shared/service';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  AFTERMATH_MS,
  createQueueTroubles,
  type QueueTroubles,
  type QueueTroublesOptions,
  SAME_ABSENCE_MS,
} from './troubles.js';

const LOST = 'warn: queue lost Redis';
const BACK = 'info: queue has Redis again';
const FAILED = 'warn: queue reports a failure';

let now = 0;
let connected = true;
let troubles: QueueTroubles;
let lines: { level: string; msg: string; queue: string; err?: { message: string } }[] = [];

const begin = (clock: Pick<QueueTroublesOptions, 'steadyMs'> = {}): void => {
  troubles = createQueueTroubles({
    queue: 'deliveries',
    isConnected: () => connected,
    logger: createLogger('test', 'debug', { write: (line: string) => void lines.push(JSON.parse(line)) }),
    ...clock,
  });
};

beforeEach(() => {
  now = 1_000_000;
  connected = true;
  lines = [];
  begin({ steadyMs: () => now });
});

/** What the default level shows. */
const told = () => lines.filter(({ level }) => level !== 'debug').map(({ level, msg }) => `${level}: ${msg}`);
const refused = () => Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' });
const leave = (): void => {
  connected = false;
  troubles.failed(refused());
};
const comeBack = (): void => {
  connected = true;
  troubles.ready('ours');
};

describe('an absence of Redis', () => {
  it('is told once, whichever connection tells of it, and once that it is over', () => {
    leave();
    for (let attempt = 0; attempt < 100; attempt += 1) {
      now += 500;
      troubles.failed(refused());
    }
    expect(told()).toEqual([LOST]);
    expect(lines).toHaveLength(101);
    expect(lines[0]).toMatchObject({ queue: 'deliveries', err: { message: refused().message } });
    comeBack();
    troubles.ready('ours');
    expect(told()).toEqual([LOST, BACK]);
  });

  it('is over when every connection is back, not with the first', () => {
    leave();
    troubles.ready('ours');
    expect(told()).toEqual([LOST]);
    comeBack();
    expect(told()).toEqual([LOST, BACK]);
  });

  it('is told again when nothing was heard of it for long', () => {
    leave();
    now += SAME_ABSENCE_MS;
    troubles.failed(refused());
    expect(told()).toEqual([LOST, LOST]);
  });

  it('is another one after a return', () => {
    leave();
    comeBack();
    now += 10;
    leave();
    expect(told()).toEqual([LOST, BACK, LOST]);
  });

  it('is told of by what began before its end and fails behind it: at debug, and only for a while', () => {
    leave();
    comeBack();
    now += AFTERMATH_MS - 1;
    troubles.failed(refused());
    expect(told()).toEqual([LOST, BACK]);
    expect(lines.at(-1)).toMatchObject({ level: 'debug', err: { message: refused().message } });
    now += 1;
    troubles.failed(refused());
    expect(told()).toEqual([LOST, BACK, LOST]);
  });

  it('that no connection of ours told of has an aftermath too: nothing is told that nothing would end', () => {
    connected = false;
    comeBack();
    troubles.failed(refused());
    expect(told()).toEqual([]);
  });

  it('of a connection of BullMQ’s own alone is over when that one is ready', () => {
    troubles.failed(refused());
    expect(told()).toEqual([LOST]);
    troubles.ready('of BullMQ');
    expect(told()).toEqual([LOST, BACK]);
  });

  it('of a connection of BullMQ’s own that is lost as soon as it is ready is told each time', () => {
    for (let time = 0; time < 2; time += 1) {
      troubles.failed(refused());
      troubles.ready('of BullMQ');
    }
    expect(told()).toEqual([LOST, BACK, LOST, BACK]);
  });
});

describe('what is no loss of a connection', () => {
  const failures = [
    'could not renew lock for job 7',
    'Missing lock for job 7. moveToFinished',
    'READONLY You can’t write against a read only replica.',
    'Failed to add repeatable job for next iteration: connect ECONNREFUSED 127.0.0.1:6379',
  ].map((message) => new Error(message));

  it.each(failures)('is told behind a return: $message', (error) => {
    leave();
    comeBack();
    troubles.failed(error);
    expect(told()).toEqual([LOST, BACK, FAILED]);
    expect(lines.at(-1)).toMatchObject({ queue: 'deliveries', err: { message: error.message } });
  });

  it('is told during an absence, and neither begins nor prolongs one', () => {
    for (const error of failures) troubles.failed(error);
    comeBack();
    expect(told()).toEqual(failures.map(() => FAILED));
    leave();
    now += SAME_ABSENCE_MS - 1;
    troubles.failed(new Error('could not renew lock for job 8'));
    now += 1;
    troubles.failed(refused());
    expect(told().slice(failures.length)).toEqual([LOST, FAILED, LOST]);
  });

  it('is told each time, as long as there is Redis', () => {
    for (let time = 0; time < 3; time += 1) troubles.failed(failures[2] as Error);
    expect(told()).toEqual([FAILED, FAILED, FAILED]);
  });

  it('but keeps connections from being made is told twice a minute, not at each of their attempts', () => {
    connected = false;
    const wrong = new Error('WRONGPASS invalid username-password pair or user is disabled.');
    for (let attempt = 0; attempt < 60; attempt += 1) {
      troubles.failed(wrong);
      now += 1_000;
    }
    expect(told()).toEqual([FAILED, FAILED]);
    troubles.failed(failures[0] as Error);
    expect(told()).toEqual([FAILED, FAILED, FAILED]);
  });
});

it('an absence is told also where the wall clock is set back', () => {
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(Date, 'now')
    .mockImplementationOnce(() => 7_200_000)
    .mockImplementation(() => 0);
  onTestFinished(() => void vi.restoreAllMocks());
  begin();
  comeBack();
  now += AFTERMATH_MS;
  troubles.failed(refused());
  expect(told()).toEqual([LOST]);
});
