/** Every wrong command line is answered with a sentence that says what would be right. */
import { describe, expect, it } from 'vitest';
import { OPTIONS } from '../k6/settings.ts';
import { readArguments } from './arguments.ts';
import { HELP } from './help.ts';

const URLS = ['--gateway', 'wss://a/ws', '--publisher', 'https://b'];

describe('the arguments of a load test', () => {
  it.each([
    [[], 'Which scenario? There are: connect, fanout'],
    [['flood'], 'There is no scenario flood.'],
    [['fanout', 'storm'], 'One scenario at a time, not fanout and storm.'],
    [['fanout', '--connections', 'many'], '--connections must be a whole number from 1 to 1000000, not many.'],
    [['fanout', '--connections', '0'], '--connections must be a whole number from 1 to 1000000, not 0.'],
    [['fanout', '--rate', '-1'], '--rate must be a number from 0 to 100000, not -1.'],
    [['fanout', '--duration', '-5'], '--duration must be a whole number from 1 to'],
    [['fanout', '--conections', '5'], "Unknown option '--conections'."],
    [['fanout', '--gateway', 'https://a'], '--gateway must look like wss://host/ws'],
    [['fanout', '--gateway', 'wss://a/ws'], '--gateway needs --publisher for fanout'],
    [['fanout', '--publisher', 'https://b'], '--publisher needs --gateway'],
    [['fanout', '--connections', '10', '--vus', '11'], '--vus must not be more than --connections.'],
    [['fanout', '--connections', '10', '--properties', '11'], '--properties must not be more than --connections'],
    [['fanout', '--gateways', '0'], '--gateways must be a whole number from 1 to 16, not 0.'],
    [['connect', '--gateway', 'wss://a/ws'], "Set JWT_SECRET in the environment to the gateways' secret"],
    [['fanout', '--gateways', '3', ...URLS], '--gateways and --gateway contradict each other'],
    [['fanout', '--gateways', '1', ...URLS], 'Leave one of them out'],
    [['fanout', '--gateway', ''], '--gateway is empty: give it a value, or leave it out.'],
    [
      ['fanout', '--gateway', 'wss://a/ws', '--publisher', 'https://b,https://c'],
      '--publisher must look like https://host',
    ],
    [['connect', '--gateway', 'ws://a:876500/ws'], '--gateway: ws://a:876500/ws is no address that can be read.'],
    [['fanout', '--churn', '50'], '--churn is of the scenario churn only, not of fanout.'],
    [['connect', '--p99', '20'], '--p99 needs events, and --rate is 0 for connect: give a --rate.'],
    [['fanout', '--rate', '0', '--bytes', '20'], '--bytes needs events, and --rate is 0: give a --rate.'],
    [
      ['resume', '--rate', '0'],
      '--rate 0 leaves publishing to another load test of the same cluster, which takes --gateway.',
    ],
    [['fanout', '--p50', '20', '--p99', '10'], '--p50 must not be more than --p99'],
    [['fanout', '--properties', '2', '--publishers', '3'], '--publishers must not be more than --properties'],
    [['resume', '--duration', '9'], '--duration must be at least 10 for resume'],
    [['storm', '--duration', '3'], '--duration must be at least 4 for storm'],
  ])('%j is wrong', (argv, sentence) => {
    expect(() => readArguments(argv, {})).toThrow(sentence);
  });

  it('that go together are taken: events while clients connect, addresses that are not used, a stricter p99 alone', () => {
    const env = { JWT_SECRET: 's' };
    expect(readArguments(['connect', '--rate', '5', '--p50', '9', '--p99', '9'], {}).settings.rate).toBe(5);
    expect(readArguments(['connect', ...URLS], env).settings.publisher).toBe('https://b');
    expect(readArguments(['fanout', '--rate', '0', ...URLS], env).settings.rate).toBe(0);
    expect(readArguments(['connect'], {}).settings.rate).toBe(0);
    expect(readArguments(['fanout', '--p99', '25'], {}).settings).toMatchObject({ p50: 50, p99: 25 });
    expect(readArguments(['fanout', '--gateways', '3'], {}).gateways).toBe(3);
  });

  it('say what they are about, and take the rest from the scenario', () => {
    const { settings, gateways } = readArguments(['storm', '--connections', '5000', ...URLS], { JWT_SECRET: 's' });
    expect(settings).toMatchObject({
      scenario: 'storm',
      connections: 5_000,
      ramp: 1,
      gateway: 'wss://a/ws',
      secret: 's',
    });
    expect(settings.properties).toBe(50);
    expect(gateways).toBe(1);
  });

  it('hold no secret: those come from the environment', () => {
    expect(() => readArguments(['fanout', '--secret', 's'], {})).toThrow("Unknown option '--secret'");
    expect(HELP).not.toContain('--secret');
    for (const { env, ...option } of Object.values(OPTIONS)) if ('secret' in option) expect(HELP).toContain(env);
  });

  it('are all in the help, each with its default, and a scenario with those that it has for itself', () => {
    for (const [name, option] of Object.entries(OPTIONS))
      if (!('secret' in option)) expect(HELP).toContain(`  --${name} `);
    expect(HELP).toContain('--connections    connections at the peak (default: 10000)');
    expect(HELP).toMatch(/connect +all come over the ramp, and stay \[--ramp 60 --rate 0\]/);
  });
});
