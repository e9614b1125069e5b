/** Figures as people read them. */

/** With commas; k6 has no locales. */
export const number = (value: number | undefined) => `${Math.round(value ?? 0)}`.replace(/\B(?=(\d{3})+$)/g, ',');
export const ms = (value: number | undefined) =>
  `${(value ?? 0).toFixed(value !== undefined && value < 10 ? 1 : 0)} ms`;
export const percent = (value: number | undefined) => `${((value ?? 0) * 100).toFixed(2)} %`;
