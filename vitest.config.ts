/**
 * Tests run against real Redis, sockets and processes on as few as two cores: at most two files at a time, and the tests
 * of the whole cluster one after another when the rest is through, so that nothing disturbs what they time.
 */
import { configDefaults, defineConfig } from 'vitest/config';

const common = {
  pool: 'forks' as const,
  testTimeout: 20_000,
  hookTimeout: 20_000,
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
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
