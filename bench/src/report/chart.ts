/** A bar chart as SVG, readable on light and dark pages alike. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  /** Drawn in the colour that stands out. */
  readonly ours: boolean;
}

const WIDTH = 720;
const LABELS = 210;
const VALUES = 110;
const BAR = 22;
const GAP = 10;
const TOP = 44;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const height = TOP + bars.length * (BAR + GAP) + GAP;
  const rows = bars.map(({ label, ours, text, value }, n) => {
    const y = TOP + n * (BAR + GAP);
    const width = Math.max(1, (value / most) * (WIDTH - LABELS - VALUES));
    const middle = y + BAR / 2 + 5;
    return [
      `<text x="${LABELS - 10}" y="${middle}" text-anchor="end">${escaped(label)}</text>`,
      `<rect class="${ours ? 'ours' : 'other'}" x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="3"/>`,
      `<text x="${(LABELS + width + 8).toFixed(1)}" y="${middle}">${escaped(text)}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escaped(title)}: ${escaped(unit)}</title>
<style>
text { font: 14px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; } .unit { fill: #6e7781; } .ours { fill: #0969da; } .other { fill: #afb8c1; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .unit { fill: #8d96a0; } .other { fill: #484f58; } }
</style>
<text class="title" x="10" y="24">${escaped(title)}<tspan class="unit" dx="10">${escaped(unit)}</tspan></text>
${rows.join('\n')}
</svg>
`;
}
