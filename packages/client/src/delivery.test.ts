import { describe, expect, it } from 'vitest';
import { createDelivery } from './delivery.js';
import { settled } from './fake-clock.test-support.js';

function createRecorder() {
  const log: string[] = [];
  const delivery = createDelivery(
    (id) => log.push(`handled ${id}`),
    (cause) => log.push(`failed ${(cause as Error).message}`),
  );
  return { log, delivery };
}

describe('delivery', () => {
  it('moves the position after the handler ran, not before', () => {
    const { log, delivery } = createRecorder();
    delivery.push('1-1', () => log.push('handler'));
    expect(log).toEqual(['handler', 'handled 1-1']);
  });

  it('holds the next one back until a promise settles', async () => {
    const { log, delivery } = createRecorder();
    let finish = (): void => undefined;
    delivery.push('1-1', () => {
      log.push('first');
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    delivery.push('1-2', () => log.push('second'));
    await settled();
    expect(log).toEqual(['first']);
    finish();
    await settled();
    expect(log).toEqual(['first', 'handled 1-1', 'second', 'handled 1-2']);
  });

  it('holds the next one back for any promise: pages have others than the engine’s own, and replace its class', async () => {
    const { log, delivery } = createRecorder();
    let finish = (): void => undefined;
    delivery.push('1-1', () => ({
      // biome-ignore lint/suspicious/noThenProperty: a promise of somebody else's
      then: (done: () => void) => {
        finish = done;
      },
    }));
    delivery.push('1-2', () => log.push('second'));
    await settled();
    expect(log).toEqual([]);
    finish();
    await settled();
    expect(log).toEqual(['handled 1-1', 'second', 'handled 1-2']);
  });

  it('goes on after a handler that threw or rejected, and says so', async () => {
    const { log, delivery } = createRecorder();
    delivery.push('1-1', () => {
      throw new Error('thrown');
    });
    delivery.push('1-2', () => Promise.reject(new Error('rejected')));
    delivery.push('1-3', () => undefined);
    await settled();
    expect(log).toEqual(['failed thrown', 'handled 1-1', 'failed rejected', 'handled 1-2', 'handled 1-3']);
  });

  it('hands over after a handler what the handler itself set off', () => {
    const { log, delivery } = createRecorder();
    delivery.push('1-1', () => {
      delivery.push('1-2', () => log.push('inner'));
      log.push('outer');
    });
    expect(log).toEqual(['outer', 'handled 1-1', 'inner', 'handled 1-2']);
  });

  it('hands over nothing while held, and what was put first before the rest', () => {
    const { log, delivery } = createRecorder();
    delivery.hold();
    delivery.push('1-2', () => log.push('event'));
    delivery.push(undefined, () => log.push('state'), true);
    expect(log).toEqual([]);
    delivery.release();
    expect(log).toEqual(['state', 'event', 'handled 1-2']);
  });

  it('hands over nothing after its end, not even what waited', async () => {
    const { log, delivery } = createRecorder();
    delivery.push('1-1', () => Promise.resolve());
    delivery.push('1-2', () => log.push('late'));
    delivery.end();
    delivery.push('1-3', () => log.push('later'));
    delivery.release();
    await settled();
    expect(log).not.toContain('late');
    expect(log).not.toContain('later');
  });
});
