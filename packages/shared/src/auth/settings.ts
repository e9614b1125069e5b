/** The settings that say which tokens are good and what they are good for. */
import { ConfigurationError, choice, list, secret, text, url } from '../service/index.js';
import { ACCESS_POLICIES, type AccessPolicy } from './authorise.js';
import { EVERYONE, OPEN_BOARDS, parseBoardReaders } from './board-readers.js';
import { KEY_SET_ALGORITHMS } from './verify-key-set.js';

/** 256 bits, in the 32 characters that a secret for HS256 needs at least. */
const MIN_SECRET_LENGTH = 32;
const ALLOWED_SECRET = 'at least 32 characters in production';

export const authSettings = {
  JWT_SECRET: secret({
    text: 'Secret that client tokens (HS256) are signed with; needed where JWT_JWKS_URL is empty',
    default: '',
    allowed: ALLOWED_SECRET,
  }),
  JWT_PREVIOUS_SECRET: secret({
    text: 'The secret before the current one, accepted while it is being replaced',
    default: '',
    allowed: ALLOWED_SECRET,
  }),
  JWT_JWKS_URL: url({
    text: 'Where the issuer publishes its public keys (JWKS); when set, only tokens signed with those are accepted',
    default: '',
    protocols: ['https:', 'http:'],
  }),
  JWT_ALGORITHMS: list({
    text: 'Algorithms accepted with JWT_JWKS_URL',
    default: KEY_SET_ALGORITHMS.join(','),
    allowed: `comma-separated, of ${KEY_SET_ALGORITHMS.join(', ')}`,
    check: (names) => {
      const known: readonly string[] = KEY_SET_ALGORITHMS;
      return names.length > 0 && names.every((name) => known.includes(name))
        ? undefined
        : `must be of ${known.join(', ')}`;
    },
  }),
  JWT_ISSUER: text({ text: 'Required claim `iss`; empty accepts any', default: '' }),
  JWT_AUDIENCE: text({ text: 'Required claim `aud`; empty accepts any', default: '' }),
  ACCESS_POLICY: choice(
    {
      text: '`roles`: by role and the token’s properties; `authenticated`: every signed-in user may read every property',
      default: 'roles',
    },
    ACCESS_POLICIES,
  ),
  BOARD_READERS: list({
    text: 'Which roles may read a board, besides HR and ADMIN, as `tasks:MANAGER|LANDLORD,budget:*`; `*` is every signed-in user. `sources` stays open to every signed-in user unless it is named: `sources:HR` closes it',
    default: OPEN_BOARDS.map((board) => `${board}:${EVERYONE}`).join(','),
    check: (entries) => {
      try {
        parseBoardReaders(entries);
      } catch (error) {
        return (error as Error).message;
      }
      return undefined;
    },
  }),
} as const;

export const accessPolicyFrom = (settings: {
  readonly ACCESS_POLICY: AccessPolicy['properties'];
  readonly BOARD_READERS: readonly string[];
}): AccessPolicy => ({
  properties: settings.ACCESS_POLICY,
  boardReaders: parseBoardReaders(settings.BOARD_READERS),
});

/** Who may act as an operator. */
export const operatorAuthSettings = {
  OPERATOR_SECRET: secret({
    text: 'Secret that operators’ tokens (HS256, "aud": "belfry-operators") are signed with; JWT_SECRET where empty',
    default: '',
    allowed: ALLOWED_SECRET,
  }),
} as const;

/** @throws ConfigurationError when there is no key, or when the process runs in production with one that can be guessed */
export function checkKeys(
  settings: {
    readonly JWT_SECRET: string;
    readonly JWT_PREVIOUS_SECRET: string;
    readonly JWT_JWKS_URL: string;
    readonly OPERATOR_SECRET: string;
  },
  nodeEnvironment: string | undefined,
): void {
  const { JWT_SECRET, JWT_PREVIOUS_SECRET, OPERATOR_SECRET } = settings;
  if (settings.JWT_JWKS_URL !== '') return checkSecrets({ OPERATOR_SECRET }, nodeEnvironment);
  if (JWT_SECRET === '') {
    throw new ConfigurationError('JWT_SECRET is not set; it is needed to verify tokens, unless JWT_JWKS_URL is given');
  }
  checkSecrets({ JWT_SECRET, JWT_PREVIOUS_SECRET, OPERATOR_SECRET }, nodeEnvironment);
}

/**
 * @param secrets by their variables; an empty one is none
 * @throws ConfigurationError when the process runs in production with one that can be guessed
 */
export function checkSecrets(secrets: Readonly<Record<string, string>>, nodeEnvironment: string | undefined): void {
  if (nodeEnvironment !== 'production') return;
  for (const [variable, { length }] of Object.entries(secrets)) {
    if (length === 0 || length >= MIN_SECRET_LENGTH) continue;
    throw new ConfigurationError(
      `${variable} has ${length} characters; in production it needs at least ${MIN_SECRET_LENGTH}`,
    );
  }
}
