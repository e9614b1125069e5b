/** What both contestants append: the same number of events of the same size, spread over the same properties. */
export interface Shape {
  readonly events: number;
  readonly properties: number;
}

export const propertyAt = (n: number, { properties }: Shape): string =>
  `1${String((n * 7_919) % properties).padStart(9, '0')}`;

/** A full report with one open violation that was not open before: it resolves the one before it. */
export function changeAt(n: number, shape: Shape): string {
  return JSON.stringify({
    property_id: propertyAt(n, shape),
    violation_type: 'HPD',
    violations: [
      {
        number: `HPD-${n}`,
        date: '2026-03-01',
        class: 'C',
        severity: 'critical',
        description: 'Section 27-2005: repair the broken or defective plastered surfaces',
      },
    ],
  });
}
