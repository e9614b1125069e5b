/** A delivery that fails leaves nothing behind that others would get. */
import { expect, it } from 'vitest';
import { createCoalescing } from './coalescing.js';

it('who comes behind a delivery that failed gets his own event', () => {
  const steps: (() => void)[] = [];
  const got: string[] = [];
  const clock = {
    after(_: number, run: () => void) {
      steps.push(run);
      return () => undefined;
    },
  };
  let endTurn = (): void => undefined;
  const turnOver = (run: () => void) => {
    endTurn = run;
  };
  const deliver = ({ name }: { name: string; followers: number }, frame: Buffer) => {
    if (String(frame) === 'bad') throw new Error('delivery failed');
    got.push(`${name}:${frame}`);
  };
  const coalescing = createCoalescing(clock, deliver, { largeTurn: 1, turnOver, steadyMs: () => 0 });
  const receive = (name: string, text: string) => coalescing.receive({ name, followers: 1 }, Buffer.from(text));
  receive('a', 'a1');
  endTurn();
  receive('a', 'bad');
  expect(() => steps.pop()?.()).toThrow('delivery failed');
  endTurn();
  receive('b', 'b1');
  steps.pop()?.();
  expect(got).toEqual(['a:a1', 'b:b1']);
});
