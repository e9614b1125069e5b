/** The verifier that the settings ask for: a secret, or an issuer's key set. */
import type { Clock, Logger } from '../service/index.js';
import { createKeySet } from './key-set.js';
import type { Verify } from './verification.js';
import { createKeySetVerifier, type KeySetAlgorithm } from './verify-key-set.js';
import { createSecretVerifier } from './verify-secret.js';

export interface VerifierOptions {
  /** The current secret first, then the previous one; read for every token, because secrets are replaced while we run. */
  readonly secrets: () => readonly string[];
  /** Where the issuer's public keys are; empty for secrets. */
  readonly keySetUrl: string;
  readonly algorithms: readonly string[];
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createVerifier(options: VerifierOptions): Verify {
  const { audience, clock, issuer, keySetUrl, logger } = options;
  const common = { issuer, audience, now: clock.now };
  if (keySetUrl === '') return createSecretVerifier({ ...common, secrets: options.secrets });
  return createKeySetVerifier({
    ...common,
    keySet: createKeySet({ url: keySetUrl, clock, logger, fetch }),
    algorithms: options.algorithms as KeySetAlgorithm[],
    onFailure: (error) => logger.warn({ err: error }, 'tokens cannot be verified'),
  });
}
