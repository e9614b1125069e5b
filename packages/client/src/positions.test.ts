import { describe, expect, it } from 'vitest';
import { createFakeClock } from './fake-clock.test-support.js';
import { createPositions } from './positions.js';

function createStorage(): Pick<Storage, 'getItem' | 'setItem'> & {
  readonly items: Map<string, string>;
  writes: number;
} {
  const items = new Map<string, string>();
  return {
    items,
    writes: 0,
    getItem: (key) => items.get(key) ?? null,
    setItem(key, value) {
      this.writes++;
      items.set(key, value);
    },
  };
}

describe('positions', () => {
  it('are there after a reload', async () => {
    const clock = createFakeClock();
    const storage = createStorage();
    createPositions(storage, clock, () => undefined).save('property:1000010001', '7-3');
    await clock.advance(1_000);
    expect(createPositions(storage, clock, () => undefined).load('property:1000010001')).toBe('7-3');
  });

  it('are written at once when they are the first: a crash then loses no beginning', async () => {
    const clock = createFakeClock();
    const storage = createStorage();
    const positions = createPositions(storage, clock, () => undefined);
    positions.save('global', '7-1');
    positions.save('property:1000010001', '3-9');
    positions.save('global', '7-2');
    expect(Object.fromEntries(storage.items)).toEqual({ 'belfry:global': '7-1', 'belfry:property:1000010001': '3-9' });
    await clock.advance(1_000);
    expect(storage.items.get('belfry:global')).toBe('7-2');
    expect(storage.writes).toBe(3);
  });

  it('of two clients on one storage are never ahead of what one of them has handled', async () => {
    const clock = createFakeClock();
    const storage = createStorage();
    const [ahead, behind] = [0, 1].map(() => createPositions(storage, clock, () => undefined));
    ahead?.save('global', '7-1');
    behind?.save('global', '7-1');
    ahead?.save('global', '7-5');
    await clock.advance(500);
    behind?.save('global', '7-3');
    await clock.advance(1_000);
    // What one has handled counts as handled; the slower one may have it handed over again, nobody loses it.
    expect(['7-3', '7-5']).toContain(storage.items.get('belfry:global'));
    expect(ahead?.load('global')).toBe(storage.items.get('belfry:global'));
  });

  it('are written at most once a second and channel, however many events come', async () => {
    const clock = createFakeClock();
    const storage = createStorage();
    const positions = createPositions(storage, clock, () => undefined);
    for (let offset = 1; offset <= 500; offset++) {
      positions.save('global', `7-${offset}`);
      await clock.advance(10);
    }
    await clock.advance(1_000);
    expect(storage.writes).toBeLessThanOrEqual(7);
    expect(storage.items.get('belfry:global')).toBe('7-500');
  });

  it('are written at once when the page may be gone in a moment', () => {
    const storage = createStorage();
    const clock = createFakeClock();
    const positions = createPositions(storage, clock, () => undefined);
    positions.save('global', '7-1');
    positions.flush();
    expect(storage.items.get('belfry:global')).toBe('7-1');
    expect(clock.waiting).toEqual([]);
  });

  it('of a page without storage are none', () => {
    const clock = createFakeClock();
    const positions = createPositions(undefined, clock, () => undefined);
    positions.save('global', '7-1');
    expect(positions.load('global')).toBeUndefined();
    expect(clock.waiting).toEqual([]);
  });

  it('of a storage that is full are kept where they fit, live as long as the page, and are tried again', async () => {
    const errors: string[] = [];
    const clock = createFakeClock();
    const items = new Map([['belfry:global', '7-1']]);
    let room = 1;
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => {
        if (!items.has(key) && items.size >= room) throw new Error('quota exceeded');
        items.set(key, value);
      },
    };
    const positions = createPositions(storage, clock, (error) => errors.push(error.message));
    positions.save('property:1000010001', '7-5');
    positions.save('global', '7-2');
    await clock.advance(1_000);
    expect(errors).toEqual(['quota exceeded']);
    expect(items.get('belfry:global')).toBe('7-2');
    expect(positions.load('property:1000010001')).toBe('7-5');
    room = 2;
    positions.flush();
    expect(items.get('belfry:property:1000010001')).toBe('7-5');
  });

  it('that cannot be kept are an error, not an exception', async () => {
    const errors: string[] = [];
    const full = {
      getItem: () => {
        throw new Error('forbidden');
      },
      setItem: () => {
        throw new Error('full');
      },
    };
    const clock = createFakeClock();
    const positions = createPositions(full, clock, (error) => errors.push(`${error.code}: ${error.message}`));
    expect(positions.load('global')).toBeUndefined();
    positions.save('global', '7-1');
    await clock.advance(1_000);
    expect(errors).toEqual(['storage: forbidden', 'storage: full']);
  });
});
