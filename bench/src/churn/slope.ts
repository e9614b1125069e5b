/** The straight line that comes closest to a row of points. */

/** Its rise per unit of the first coordinate. */
export function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (n: 0 | 1): number => points.reduce((sum, point) => sum + point[n], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const rise = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const run = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return rise / run;
}
