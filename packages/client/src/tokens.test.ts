import { describe, expect, it, vi } from 'vitest';
import { createFakeClock, settled } from './fake-clock.test-support.js';
import { createTokens } from './tokens.js';

function createRig(random = () => 0.5) {
  const clock = createFakeClock();
  const errors: string[] = [];
  let issued = 0;
  const getToken = vi.fn(async (_reason: string): Promise<string | null> => `token-${++issued}`);
  const tokens = createTokens({ getToken, clock, random, report: (error) => errors.push(error.message) });
  return { clock, errors, getToken, tokens };
}

describe('tokens', () => {
  it('are fetched once, however many wait for one', async () => {
    const { tokens, getToken } = createRig();
    const got = await Promise.all([tokens.get('connect'), tokens.get('connect'), tokens.get('expiring')]);
    expect(got).toEqual(['token-1', 'token-1', 'token-1']);
    expect(getToken).toHaveBeenCalledTimes(1);
  });

  it('are used again while they are good, so that a failing gateway does not cost a token per attempt', async () => {
    const { clock, tokens, getToken } = createRig();
    await tokens.get('connect');
    await clock.advance(59_000);
    expect(await tokens.get('connect')).toBe('token-1');
    await clock.advance(2_000);
    expect(await tokens.get('connect')).toBe('token-2');
    tokens.keepFresh(3_600_000, () => undefined).stop();
    await clock.advance(3_580_000);
    expect(await tokens.get('connect')).toBe('token-2');
    await clock.advance(11_000);
    expect(await tokens.get('connect')).toBe('token-3');
    expect(getToken).toHaveBeenCalledTimes(3);
  });

  it('are asked for again after a failure, also where getToken throws at once', async () => {
    const { tokens, getToken } = createRig();
    getToken.mockImplementationOnce(() => {
      throw new Error('signing in');
    });
    await expect(tokens.get('connect')).rejects.toThrow('signing in');
    expect(await tokens.get('connect')).toBe('token-1');
  });

  it('that were refused are not used again', async () => {
    const { tokens } = createRig();
    await tokens.get('connect');
    tokens.refused();
    expect(await tokens.get('connect')).toBe('token-2');
  });

  it('are renewed ahead of their end, within the last minute', async () => {
    const { clock, tokens, getToken } = createRig();
    await tokens.get('connect');
    const used: unknown[] = [];
    tokens.keepFresh(3_600_000, (token) => used.push(token));
    await clock.advance(3_600_000 - 60_000 - 1);
    expect(used).toEqual([]);
    await clock.advance(30_000);
    expect(used).toEqual(['token-2']);
    expect(getToken).toHaveBeenLastCalledWith('expiring');
  });

  it('that live shortly are renewed in the last quarter of their life', async () => {
    const { clock, tokens } = createRig();
    await tokens.get('connect');
    const used: unknown[] = [];
    tokens.keepFresh(20_000, (token) => used.push(token));
    await clock.advance(14_999);
    expect(used).toEqual([]);
    await clock.advance(5_000);
    expect(used).toEqual(['token-2']);
  });

  it('that cannot be renewed are tried again, and the error is told', async () => {
    const { clock, tokens, getToken, errors } = createRig();
    await tokens.get('connect');
    getToken.mockRejectedValueOnce(new Error('503'));
    const used: unknown[] = [];
    const renewal = tokens.keepFresh(3_600_000, (token) => used.push(token));
    renewal.within(0);
    await clock.advance(0);
    expect(errors).toEqual(['503']);
    await clock.advance(7_500);
    expect(used).toEqual(['token-2']);
  });

  it('are not renewed any more once that was stopped', async () => {
    const { clock, tokens, getToken } = createRig();
    const used: unknown[] = [];
    const renewal = tokens.keepFresh(10_000, (token) => used.push(token));
    renewal.within(0);
    await clock.advance(0);
    expect(used).toHaveLength(1);
    renewal.within(0);
    renewal.stop();
    await clock.advance(60_000);
    expect(getToken).toHaveBeenCalledTimes(1);
    expect(clock.waiting).toEqual([]);
  });

  it('are none where the application gives none', async () => {
    const clock = createFakeClock();
    const tokens = createTokens({ getToken: undefined, clock, random: Math.random, report: () => undefined });
    expect(await tokens.get('connect')).toBeUndefined();
    await settled();
  });
});
