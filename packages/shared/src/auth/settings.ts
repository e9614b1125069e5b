/** The settings that say which tokens are good and what they are good for. */
import { ConfigurationError, choice, secret, text } from '../service/index.js';
import { ACCESS_POLICIES } from './authorise.js';

/** 256 bits, in the 32 characters that a secret for HS256 needs at least. */
const MIN_SECRET_LENGTH = 32;

export const authSettings = {
  JWT_SECRET: secret(
    { text: 'Secret that client tokens (HS256) are signed with' },
    'at least 32 characters in production',
  ),
  JWT_PREVIOUS_SECRET: secret({
    text: 'The secret before the current one, accepted while it is being replaced',
    default: '',
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
} as const;

/** @throws ConfigurationError when the process runs in production with a secret that can be guessed */
export function checkSecret(secretText: string, nodeEnvironment: string | undefined): void {
  if (nodeEnvironment === 'production' && secretText.length < MIN_SECRET_LENGTH) {
    throw new ConfigurationError(
      `JWT_SECRET has ${secretText.length} characters; in production it needs at least ${MIN_SECRET_LENGTH}`,
    );
  }
}
