/** The certificate of the clients' port, checked before uWebSockets.js gets it: from there nobody would learn what is wrong. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigurationError } from '@belfry/shared/service';

/**
 * @returns undefined where both are empty: then the port speaks plain HTTP, and TLS ends at a proxy
 * @throws ConfigurationError where only one is given, a file cannot be read, or the key is another certificate's
 */
export function readTls(certFile: string, keyFile: string): { certFile: string; keyFile: string } | undefined {
  if (certFile === '' && keyFile === '') return undefined;
  if (certFile === '' || keyFile === '') throw new ConfigurationError('TLS_CERT_FILE and TLS_KEY_FILE need each other');
  let fits: boolean;
  try {
    fits = new X509Certificate(readFileSync(certFile)).checkPrivateKey(createPrivateKey(readFileSync(keyFile)));
  } catch (cause) {
    throw new ConfigurationError(`TLS_CERT_FILE or TLS_KEY_FILE cannot be used: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (!fits) throw new ConfigurationError('TLS_KEY_FILE is not the key of TLS_CERT_FILE');
  return { certFile, keyFile };
}
