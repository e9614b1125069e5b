import { describe, expect, it } from 'vitest';
import type { Detection } from './detect.js';
import { sentence, violationUpdateBody } from './update.js';

const nothing: Detection = {
  count: 0,
  newViolations: 0,
  resolved: 0,
  severity: 'info',
  open: {},
  baseline: false,
  violations: [],
};
const change = { property_id: '1012650001', violation_type: 'HPD', count: 7 };

describe('the sentence', () => {
  it.each<[string, Partial<Detection>]>([
    ['2 new HPD violations, 1 resolved: 7 open', { count: 7, newViolations: 2, resolved: 1 }],
    ['1 new HPD violation: 1 open', { count: 1, newViolations: 1 }],
    ['1 HPD violation resolved: none open', { resolved: 1 }],
    ['3 HPD violations resolved: 4 open', { count: 4, resolved: 3 }],
    ['7 open HPD violations, updated', { count: 7 }],
    ['7 open HPD violations', { count: 7, baseline: true }],
    ['No open HPD violations', { baseline: true }],
  ])('says "%s"', (text, detection) => {
    expect(sentence('HPD', { ...nothing, ...detection })).toBe(text);
  });
});

describe('a VIOLATION_UPDATE', () => {
  it('has the fields of the protocol, its channel first and no id', () => {
    const open = { critical: 1, high: 6 } as const;
    const detection: Detection = { ...nothing, count: 7, newViolations: 2, severity: 'high', open };
    const body = violationUpdateBody(change, detection, 1_700_000.5);
    expect(body.startsWith('{"channel":"property:1012650001",')).toBe(true);
    expect(JSON.parse(body)).toEqual({
      type: 'VIOLATION_UPDATE',
      channel: 'property:1012650001',
      property_id: '1012650001',
      violation_type: 'HPD',
      count: 7,
      new_violations: 2,
      resolved: 0,
      severity: 'high',
      open_by_severity: open,
      timestamp: 1_700_000.5,
      message: '2 new HPD violations: 7 open',
    });
  });

  it('keeps the time and the message that were reported', () => {
    const body = violationUpdateBody({ ...change, timestamp: 5, message: 'see to it' }, nothing, 9);
    expect(JSON.parse(body)).toMatchObject({ timestamp: 5, message: 'see to it' });
    expect(body).not.toContain('open_by_severity');
  });

  it('lists twenty violations at most, and stays under 16 KB with the longest texts', () => {
    const many = Array.from({ length: 500 }, (_, n) => ({ number: `n${n}` }));
    expect(JSON.parse(violationUpdateBody(change, { ...nothing, violations: many }, 1)).violations).toHaveLength(20);
    const long = many.map((one) => ({ ...one, description: '漢'.repeat(500) }));
    const body = violationUpdateBody(change, { ...nothing, violations: long }, 1);
    expect(JSON.parse(body).violations.length).toBeGreaterThan(3);
    expect(Buffer.byteLength(body)).toBeLessThan(16_000);
  });
});
