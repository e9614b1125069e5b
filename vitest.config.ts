/**
 * Tests run against real Redis, sockets and processes on as few as two cores: at most two files at a time. Tests of the
 * whole cluster come when its parts are through, and those last, one after another, that take all of a machine or time
 * what they see: load, faults, speed.
 */
import { configDefaults, defineConfig } from 'vitest/config';

const ALONE = [
  'e2e/{boards,chaos,cluster,dashboard-load,loadtest,loadtest-testrun,sdk-browser,sdk-portfolio,slow-consumer,start}.test.ts',
  'e2e/hostile/{budgets,exhaustion}.test.ts',
];

const common = {
  pool: 'forks' as const,
  // They say "never", on whatever machine: what waits for an event has an end of its own, which tells what came instead.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  exclude: [...configDefaults.exclude, '**/dist/**'],
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'parts',
          include: [
            'packages/*/src/**/*.test.{ts,tsx}',
            '{testkit,loadtest}/src/**/*.test.ts',
            'scripts/**/*.test.{ts,mjs}',
            'fuzz/**/*.test.ts',
            'bench/src/**/*.test.ts',
          ],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'cluster',
          include: ['e2e/**/*.test.ts'],
          exclude: [...common.exclude, ...ALONE],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'alone',
          include: ALONE,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
