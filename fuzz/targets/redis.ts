/** What Redis answers and publishes: anybody who can write there could have written it. */
import { createCommands } from '../../packages/gateway/src/cluster/commands.js';
import { createNodes } from '../../packages/gateway/src/cluster/nodes.js';
import { createRevocations } from '../../packages/gateway/src/cluster/revocations.js';
import { createStage } from '../../packages/gateway/src/session/session.test-support.js';
import { decodeFacts } from '../../packages/publisher/src/changes/facts.js';
import type { Connection } from '../../packages/shared/src/log/connection.js';
import { channelKeys, clusterKeys, DEFAULT_KEY_PREFIX } from '../../packages/shared/src/log/keys.js';
import { ChannelBroken, LogUnavailable } from '../../packages/shared/src/log/log.js';
import { createRedisLog } from '../../packages/shared/src/log/redis-log.js';
import { createLogger, systemClock } from '../../packages/shared/src/service/index.js';
import { must, type Target } from '../target.js';

const logger = createLogger('fuzz', 'silent');
const keys = clusterKeys(DEFAULT_KEY_PREFIX);

/** A connection whose every command is answered with the same thing. */
function answering(reply: unknown): Connection {
  const pipeline: Record<string, unknown> = {};
  const handler: ProxyHandler<object> = {
    get: (_, name) => {
      if (name === 'pipeline' || name === 'multi') return () => new Proxy(pipeline, chained);
      if (name === 'then') return undefined;
      return async () => reply;
    },
  };
  const chained: ProxyHandler<object> = {
    get: (_, name) => {
      if (name === 'then') return undefined;
      return name === 'exec' ? async () => reply : () => new Proxy(pipeline, chained);
    },
  };
  return new Proxy({}, handler) as Connection;
}

const RETENTION = {
  maxEvents: 10,
  maxGlobalEvents: 10,
  logTtlSeconds: 7_200,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 60,
};

const REPLIES = [
  '["1763700000000-3",1,["1763700000000-2","{\\"type\\":\\"A\\"}","1763700000000-3",""],null]',
  '["1763700000000-3",0,[],["a","{\\"id\\":\\"1-1\\"}"]]',
  '["0-0",[null,"{}"],[0,1]]',
  '[["ok",0,["1-1,1-2","-",""]]]',
  '[["1-1",["d","{}","i","5-1"]]]',
  '[["conflict","1-1"]]',
  '[["fenced","abc"]]',
];

/** Everything that reads the log gets a reading or `LogUnavailable`, never anything else. */
const replies: Target = {
  name: 'redis-replies',
  seeds: REPLIES,
  words: ['"ok"', '"conflict"', 'null', '1-1', '[', ']', ',', '""', '"d"', '{"type":"A"}', '"i"'],
  async run(input) {
    let reply: unknown;
    try {
      reply = JSON.parse(input.toString('utf8'));
    } catch {
      return;
    }
    const log = createRedisLog({ connection: answering(reply), prefix: 'belfry', retention: RETENTION });
    const append = { channel: 'property:1', lane: 0, entries: [{ intakeId: '1-1', events: [] }] };
    const calls: (() => Promise<unknown>)[] = [
      () => log.read('property:1', { from: undefined, last: 5, snapshot: 'always' }),
      () => log.positions(['property:1']),
      () => log.facts({ channel: 'property:1', lane: 0, fields: ['a'], idempotencyKeys: ['k'] }),
      () => log.applied('property:1', ['5-1']),
      () => log.append(append),
    ];
    for (const call of calls) {
      await call().catch((error: unknown) => {
        if (!(error instanceof LogUnavailable || error instanceof ChannelBroken)) throw error;
      });
    }
    const silent = { after: () => () => undefined, every: () => () => undefined, now: () => 0 };
    const revocations = createRevocations({ connection: answering(reply), keys, clock: silent, logger });
    await revocations.reload();
    await revocations.refresh();
    const nodes = createNodes({
      connection: answering(Array.isArray(reply) ? reply.map((each) => (each === null ? null : String(each))) : []),
      keys,
      describe: () => ({ node: 'a' }) as never,
      clock: silent,
      logger,
      onBeat: () => undefined,
    });
    must(Array.isArray(await nodes.list()), 'no list of gateways');
  },
};

const facts: Target = {
  name: 'redis-facts',
  seeds: ['{"c":3,"o":["A1",2,"A2",-1],"s":3,"n":["x"]}', '{"c":0}'],
  words: ['"c":', '"o":[', '"s":', '"n":'],
  run(input) {
    const read = decodeFacts(input.toString('utf8'));
    must(read === undefined || Number.isInteger(read.count), 'a count that is none');
  },
};

/** Frames on the topics of channels, boards and gateways. */
function frames(): Target {
  const stage = createStage();
  const commands = createCommands({
    node: 'a',
    instance: 'this',
    connection: answering([]),
    keys,
    nodes: { list: async () => [], announce: async () => undefined },
    handlers: { stats: () => 1 },
    clock: systemClock,
    logger,
  });
  stage.identities.set('good', { role: 'ADMIN', properties: 'all' });
  const client = stage.connect();
  let runs = 0;
  return {
    name: 'redis-frames',
    seeds: [
      '{"id":"1763700000000-7","type":"A","channel":"property:1"}',
      '{"id":"1-1","type":"STATE_UPDATE","channel":"state:b","key":"k","timestamp":1,"document":{"a":1}}',
      '{"id":"c1","from":"b","command":"stats","args":{}}',
    ],
    words: ['{"id":"', '"document":', '"patch":', '"removed":true', '"key":', '"command":', '"args":{}', '"from":"b"'],
    async run(input) {
      if (runs === 0) {
        client.send({ type: 'AUTHENTICATE', token: 'good' });
        client.send({ type: 'SUBSCRIBE', channels: ['property:1', 'state:b'] });
        await stage.clock.advance(50);
      }
      runs += 1;
      commands.receive(Buffer.from(input));
      for (const channel of ['property:1', 'state:b']) {
        stage.bus.publish(channelKeys(DEFAULT_KEY_PREFIX, channel).topic, input.toString('utf8'));
      }
      await stage.clock.advance(5);
      if (runs % 50 === 0) {
        client.session.receive('{"type":"PONG"}');
        client.session.receive(`{"type":"PING","ref":${runs}}`);
        await stage.clock.advance(1);
      }
    },
  };
}

export const redisTargets = (): Target[] => [replies, facts, frames()];
