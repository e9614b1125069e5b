/** What clients send: frames to a session, names, positions, the headers of an upgrade, preferences. */
import { isIP } from 'node:net';
import { positionInFrame } from '../../packages/gateway/src/channels/event-position.js';
import { readClientFrame } from '../../packages/gateway/src/session/client-frame.js';
import { networkOf } from '../../packages/gateway/src/session/client-network.js';
import { createStage } from '../../packages/gateway/src/session/session.test-support.js';
import { createAddressReader } from '../../packages/gateway/src/transport/address.js';
import { channelsToSubscribe, readLastEventId, subscribeFrame } from '../../packages/gateway/src/transport/stream.js';
import { createCookieReader, credentialOf } from '../../packages/gateway/src/transport/upgrade.js';
import { parsePreferences } from '../../packages/shared/src/preferences/preferences.js';
import {
  ERROR_CODES,
  formatPosition,
  isChannelId,
  parseChannel,
  parsePosition,
} from '../../packages/shared/src/protocol/index.js';
import { must, type Target } from '../target.js';

const FRAMES = [
  '{"type":"AUTHENTICATE","token":"good","ref":1}',
  '{"type":"SUBSCRIBE","property_id":"1","after":"1-0","rewind":3,"ref":"a"}',
  '{"type":"SUBSCRIBE","channels":["property:1","user:landlord-7","state:sources","global"],"after":{"property:1":"5-2"}}',
  '{"type":"SUBSCRIBE","property_ids":["1","2","property-3"]}',
  '{"type":"UNSUBSCRIBE","channel":"property:1"}',
  '{"type":"GET_STATE","property_id":"1"}',
  '{"type":"GET_STATUS"}',
  '{"type":"PING","ref":9}',
  '{"type":"PONG"}',
];
const WORDS = [
  ...['"type":', '"SUBSCRIBE"', '"channel":', '"channels":[', '"property_ids":[', '"after":', '"rewind":', '"ref":'],
  ...['"token":"good"', 'property:', 'user:', 'role:', 'state:', 'global', 'property-', '1-0', '"GET_STATE"'],
];

const frames: Target = {
  name: 'client-frames',
  seeds: FRAMES,
  words: WORDS,
  run(input) {
    const frame = readClientFrame(input.toString('utf8'));
    if ('error' in frame) {
      must(frame.error in ERROR_CODES, `unknown error code ${frame.error}`);
      must(frame.message.length < 500, 'an error longer than a sentence');
      return;
    }
    if (!('channels' in frame)) return;
    must(frame.channels.length <= 1_000, 'more channels than a frame may name');
    for (const { parsed } of frame.channels) {
      must(!parsed || parsed.kind === 'global' || isChannelId(parsed.id), 'a channel outside the grammar');
    }
  },
};

/** A whole session on a log in memory; lines of an input are frames that come one after the other. */
function sessions(): Target {
  let stage = createStage({ rateLimit: { burst: 1_000, windowMs: 1_000 } });
  let runs = 0;
  return {
    name: 'sessions',
    seeds: [...FRAMES, FRAMES.join('\n'), `${FRAMES[0]}\n${FRAMES[1]}\n${FRAMES[4]}\n${FRAMES[2]}`],
    words: [...WORDS, '\n', '\n{"type":'],
    async run(input) {
      runs += 1;
      if (runs % 500 === 0) {
        stage = createStage({ rateLimit: { burst: 1_000, windowMs: 1_000 } });
      }
      stage.identities.set('good', {});
      const client = stage.connect();
      client.send({ type: 'AUTHENTICATE', token: 'good' });
      for (const line of input.toString('utf8').split('\n').slice(0, 50)) client.session.receive(line);
      await stage.clock.advance(20);
      // `take` parses what was sent: whatever came in, what goes out is JSON.
      for (const frame of client.take()) {
        must(typeof frame.type === 'string', 'a frame without a type went out');
        must(frame.code !== 'internal', 'an internal error went out');
        const named = parseChannel(frame.channel);
        const readable = named?.kind !== 'property' || ['1', '2'].includes(named.id);
        must(readable || frame.type === 'ERROR' || frame.type === 'UNSUBSCRIBED', 'another’s channel was joined');
      }
      client.session.destroy();
      must(stage.sessions.count === 0, 'a session outlived its connection');
    },
  };
}

const channels: Target = {
  name: 'channel-names',
  seeds: ['property:1012650001', 'user:landlord-7', 'role:manager', 'global', 'state:blackboard', 'property-456'],
  words: ['property:', 'user:', 'role:', 'state:', 'global', 'property-', ':', '-', '_'],
  run(input) {
    const text = input.toString('utf8');
    const parsed = parseChannel(text);
    if (!parsed) return;
    must(/^(?:global|(?:property|user|role|state):[A-Za-z0-9_-]{1,64})$/.test(parsed.channel), 'outside the grammar');
    must(parseChannel(parsed.channel)?.channel === parsed.channel, 'a canonical name is not its own');
  },
};

const positions: Target = {
  name: 'positions',
  seeds: ['1763700000000-0', '0-0', '9007199254740991-9007199254740991', '{"id":"1763700000000-7","type":"A"}'],
  words: ['{"id":"', '-', '",', '0', '9999999999999999'],
  run(input) {
    const parsed = parsePosition(input.toString('utf8'));
    if (parsed) {
      const again = parsePosition(formatPosition(parsed));
      must(again?.epoch === parsed.epoch && again.offset === parsed.offset, 'a position changes when it is written');
    }
    const inFrame = positionInFrame(input);
    if (inFrame)
      must(Number.isFinite(inFrame.epoch) && Number.isFinite(inFrame.offset), 'a position that is no number');
  },
};

const COOKIE = createCookieReader('session', ['https://dashboard.example']);
const ADDRESS = createAddressReader(['10.0.0.1', '127.0.0.1']);
const headers: Target = {
  name: 'upgrade-headers',
  seeds: [
    'Bearer a.b.c\nbelfry.v1, bearer.a.b.c\nsession=abc; other=1\n203.0.113.7, 10.0.0.1\nproperty:1@5-2 global@7-1',
    'bearer   x\nbearer.\nsession=a\n[2001:db8::1]:4711, ::ffff:198.51.100.1, 198.51.100.1:80\nuser:a@1-1',
    'bearer   x\nbearer.\n=;=;session=\n0000:0000:0000:0000:0000:ffff:7f00:0001, ::1\nuser:a@1-1',
  ],
  words: ['Bearer ', 'bearer.', 'belfry.v1', 'session=', ', ', '; ', '@', '0000:0000:0000:0000:0000:ffff:', ' '],
  run(input) {
    const [authorization = '', protocols = '', cookies = '', forwarded = '', last = ''] = input
      .toString('latin1')
      .split('\n');
    const origin = 'https://dashboard.example';
    const { protocol } = credentialOf({ origin, authorization, protocols, cookies, tokenInQuery: undefined }, COOKIE);
    must(protocol === undefined || protocol === 'belfry.v1', 'a subprotocol was echoed');
    must(ADDRESS('198.51.100.9', forwarded) === '198.51.100.9', 'a stranger chose its own address');
    const address = ADDRESS('10.0.0.1', forwarded);
    must(isIP(address) !== 0, 'no address');
    must(isIP(networkOf(address).replace('/64', '')) === isIP(address), 'no network');
    const after = readLastEventId(last, ['property:1']);
    const frame = readClientFrame(subscribeFrame(channelsToSubscribe([], after), after));
    must(after.size === 0 || after.size > 1_000 || !('error' in frame) || frame.error === 'bad_message', 'bad frame');
    for (const position of after.values()) must(parsePosition(position) !== undefined, 'no position');
  },
};

const preferences: Target = {
  name: 'preferences',
  seeds: [
    '{"email":"landlord-7@example.org","rules":[{"id":"a","properties":"*","via":["email"]}]}',
    '{"webhook":{"url":"https://hooks.example/x","secret":"0123456789abcdef"},"rules":[{"id":"b","properties":["1"],"via":["webhook"],"quiet_hours":{"from":"22:00","to":"06:00","time_zone":"America/New_York"},"digest":"daily"}]}',
  ],
  words: ['"rules":[', '"quiet_hours":', '"time_zone":', '"via":', '"properties":', '"*"'],
  run(input) {
    let value: unknown;
    try {
      value = JSON.parse(input.toString('utf8'));
    } catch {
      return;
    }
    const parsed = parsePreferences(value);
    if ('preferences' in parsed) must('preferences' in parsePreferences(parsed.preferences), 'not good a second time');
  },
};

export const clientTargets = (): Target[] => [frames, sessions(), channels, positions, headers, preferences];
