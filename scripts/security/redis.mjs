// @ts-check
/** Redis is not trusted either, nor is everybody there: foreign entries, users, TLS. */
import { ACL, ASVS, row, SHARED } from './row.mjs';

/** @type {readonly import('./row.mjs').Control[]} */
export const REDIS = [
  row(
    'foreign',
    'What others wrote into Redis is skipped',
    'fuzz/fuzz.test.ts',
    'redis-facts',
    'packages/publisher/src/changes/facts.ts',
    'const encoded = text === undefined ? undefined : readEncoded(text);',
    'const encoded = text === undefined ? undefined : (JSON.parse(text) as Encoded);',
    '[ioredis 2151](https://github.com/redis/ioredis/pull/2151)',
  ),
  row(
    'foreign-keys',
    'Foreign facts, entries, portfolios, nodes, presence: counted, skipped, and nobody waits for them',
    'e2e/hostile/foreign.test.ts',
    '',
    'packages/publisher/dist/intake/dead-letters.js',
    'if (isWrongType(cause))',
    'if (false)',
    'issue: Redis is not trusted',
  ),
  row(
    'redis-users',
    'Each service has a user at Redis with few commands',
    'e2e/hostile/redis-acl.test.ts',
    'belfry-gateway is refused',
    'deploy/redis/users.acl',
    '-@all +ping +info +time +client|setname +client|id +auth +hello +cluster|info +cluster|slots +cluster|shards +cluster|nodes +command|info +eval +evalsha +exists',
    '+@all',
    ACL,
  ),
  row(
    'redis-users-cluster',
    'The users at Redis have what they need on a Cluster and behind Sentinel, and no more is refused them',
    'e2e/hostile/redis-acl-topologies.test.ts',
    'on a Cluster',
    'deploy/redis/users.acl',
    '+auth +hello +cluster|info +cluster|slots +cluster|shards +cluster|nodes +command|info +eval',
    '+auth +hello +cluster|slots +cluster|shards +cluster|nodes +command|info +eval',
    ACL,
  ),
  row(
    'tls-redis',
    'TLS to Redis, with the authority that is named',
    'e2e/hostile/tls.test.ts',
    'with another authority',
    `${SHARED}/log/connection.js`,
    'const tls = {',
    'const tls = { rejectUnauthorized: false,',
    `${ASVS} 12.3`,
  ),
];
