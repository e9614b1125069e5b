/** Benches, long tests and scripts refuse what contradicts itself before anything starts: minutes later would be too late. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../scripts/processes.mjs';
import { ROOT } from '../scripts/setup.mjs';

const CHURN = 'bench/dist/churn/main.js';
const CHAOS = 'e2e/dist/chaos/main.js';
const RELIABILITY = 'e2e/dist/reliability/main.js';
const REPORT = 'bench/dist/report/main.js';
const SIMULATE = 'scripts/simulate.mjs';
const FUZZ = 'scripts/fuzz.mjs';
const HOSTILE = 'scripts/hostile.mjs';
const SECURITY = 'scripts/security.mjs';
const START = 'scripts/start.mjs';
const TOKEN = 'scripts/token.mjs';

const call = (program: string, ...args: readonly string[]) => run(process.execPath, [join(ROOT, program), ...args]);

describe.concurrent('a wrong command line is answered with a sentence and exit code 2', () => {
  it.each([
    [CHURN, ['--minutes', '5', '--seconds', '200'], '--minutes and --seconds contradict each other'],
    [CHURN, ['--alive', '10000'], '--alive must be less than --users'],
    ['bench/dist/board/main.js', ['--keys', '9', '--changes', '1', '--seconds', '8'], '--keys must not be more than'],
    ['bench/dist/connections/main.js', ['--each', '5', '--channels', '4'], '--each must not be more than --channels.'],
    [CHAOS, ['--channels', '11', '--properties', '10'], '--channels must not be more than --properties.'],
    [CHAOS, ['--redis', 'memory'], '--redis must be one of standalone, sentinel, cluster, not memory.'],
    [CHAOS, ['--minutes', '1'], "Unknown option '--minutes'."],
    [RELIABILITY, ['gateway-kill', 'storm'], 'There is no measurement storm.'],
    [RELIABILITY, ['--seed', 'seven'], '--seed must be a whole number above 0, not seven.'],
    [REPORT, ['--foo'], "Unknown option '--foo'."],
    [REPORT, ['docs'], "Unexpected argument 'docs'."],
    [SIMULATE, ['--worlds', '5'], "Unknown option '--worlds'."],
    [SIMULATE, ['--seeds', '0'], '--seeds must be a whole number above 0, not 0.'],
    [FUZZ, ['--minutes', 'long'], '--minutes must be a number above 0, not long.'],
    [FUZZ, ['--seed', '-1'], "Option '--seed' argument is ambiguous."],
    [FUZZ, ['--seed=-1'], '--seed must be a whole number, not -1.'],
    [HOSTILE, ['--clients', 'many'], '--clients must be a whole number above 0, not many.'],
    [HOSTILE, ['--attacks', 'pings,rain'], '--attacks must be of connects and goes, '],
    [HOSTILE, ['--server', 'none'], '--server must be of gateway, bare, not none.'],
    [SECURITY, ['--only', 'nothing'], ', not nothing.'],
    [START, ['--dmeo'], "Unknown option '--dmeo'."],
    [TOKEN, ['{bad'], 'usage: node scripts/token.mjs CLAIMS <SECRET'],
    [TOKEN, ['["somebody"]'], 'usage: node scripts/token.mjs CLAIMS <SECRET'],
    [TOKEN, [], 'usage: node scripts/token.mjs CLAIMS <SECRET'],
    [TOKEN, ['{}'], 'There is no secret on standard input.'],
  ])('%s %j', async (program, args, sentence) => {
    const { code, output } = await call(program, ...args);
    expect(output).toContain(sentence);
    expect(output).not.toContain('    at ');
    expect(code).toBe(2);
  });
});

it.each([CHURN, CHAOS, RELIABILITY, REPORT, SIMULATE, FUZZ, HOSTILE, SECURITY, START])(
  '%s --help says what there is',
  async (program) => {
    const { code, output } = await call(program, '--help');
    expect(output).toMatch(/^npm (start|run \S+)( \[?-- |\n)/);
    expect(code).toBe(0);
  },
);
