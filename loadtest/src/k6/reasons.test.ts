/** Whatever makes a run fail is said in a sentence with what was seen. */
import { describe, expect, it } from 'vitest';
import { reasons } from './reasons.ts';
import { readSettings } from './settings.ts';
import { thresholds } from './thresholds.ts';

const settings = readSettings('fanout', (name) => (name === 'p99' ? '25' : undefined));

describe('the reasons of a failed run', () => {
  it('say what was seen and what was allowed', () => {
    expect(reasons(['e2e_latency: p(99)<=25'], { e2e_latency: { 'p(99)': 31.4 } }, settings)).toEqual([
      'From the intake to the client it took 31 ms at p99; --p99 allows 25 ms.',
    ]);
    expect(reasons(['missing: count==0'], { missing: { count: 1_200 } }, settings)).toEqual([
      'Events that the intake had accepted did not come: 1,200.',
    ]);
  });

  it('say where it is the log that is too short for the rate', () => {
    const sentence = (rate: string) => {
      const given = readSettings('resume', (name) => ({ connections: '200', rate })[name as string]);
      return reasons(['resyncs: count<=0'], { resyncs: { count: 3 } }, given)[0];
    };
    expect(sentence('100')).toContain('reaches back 2.6 s at this rate');
    expect(sentence('10')).toMatch(/allows 0\.$/);
  });

  it('are a sentence for every threshold that there is', () => {
    for (const [metric, conditions] of Object.entries(thresholds(settings, true))) {
      for (const condition of conditions) {
        expect(reasons([`${metric}: ${condition}`], {}, settings)[0]).not.toContain(condition);
      }
    }
  });
});
