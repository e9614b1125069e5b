// @ts-check
/**
 * Weaknesses that are known of packages we install, kept here so that they can be checked where no registry answers: the
 * lockfile holds nothing older than what mends them, and a downgrade fails. It says nothing of what became known later:
 * that, `npm audit` alone knows.
 */

/** When this list was gone through last. */
export const AS_OF = '2026-11-21';

/**
 * By package: the first version without the weakness.
 * @type {readonly (readonly [name: string, mended: string, weakness: string])[]}
 */
export const KNOWN = [
  ['body-parser', '1.20.3', 'CVE-2024-45590'],
  ['cookie', '0.7.0', 'CVE-2024-47764'],
  ['debug', '4.4.3', 'GHSA-8mgj-vmr8-frr6: 4.4.2 was published by a thief'],
  ['ejs', '3.1.10', 'CVE-2024-33883'],
  ['engine.io', '6.4.2', 'CVE-2023-31125'],
  ['express', '5.0.0', 'CVE-2024-43796'],
  ['jose', '5.2.3', 'CVE-2024-28176'],
  ['jsonwebtoken', '9.0.0', 'CVE-2022-23539, -23540, -23541'],
  ['jws', '4.0.1', 'CVE-2025-65945'],
  ['lodash', '4.17.23', 'CVE-2025-13465'],
  ['luxon', '3.2.1', 'CVE-2023-22467'],
  ['msgpackr', '1.10.1', 'CVE-2023-52079'],
  ['nodemailer', '7.0.7', 'CVE-2025-13033'],
  ['path-to-regexp', '8.0.0', 'CVE-2024-45296'],
  ['qs', '6.14.1', 'CVE-2025-15284'],
  ['semver', '7.5.2', 'CVE-2022-25883'],
  ['send', '1.1.0', 'CVE-2024-43799'],
  ['serve-static', '2.1.0', 'CVE-2024-43800'],
  ['socket.io', '4.6.2', 'CVE-2024-38355'],
  ['socket.io-parser', '4.2.3', 'CVE-2023-32695'],
  ['ws', '8.17.1', 'CVE-2024-37890'],
];

/** Versions that are weak though older ones are not. */
const ONLY_THOSE = { debug: ['4.4.2'] };

/**
 * What is installed, in production or not, and known to be weak.
 * @param {Readonly<Record<string, { version?: string }>>} packages of a lockfile, by their paths
 * @returns {string[]} a line for each
 */
export const weakIn = (packages) =>
  Object.entries(packages).flatMap(([path, { version = '' }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return KNOWN.filter(([known, mended]) => known === name && isWeak(name, version, mended)).map(
      ([, mended, weakness]) => `${name} ${version}: ${weakness}, mended in ${mended}`,
    );
  });

/** @param {string} name @param {string} version @param {string} mended */
function isWeak(name, version, mended) {
  const only = /** @type {Readonly<Record<string, readonly string[]>>} */ (ONLY_THOSE)[name];
  return only ? only.includes(version) : isOlder(version, mended);
}

/** Compares `a.b.c`; what comes before a release counts as that release. @param {string} version @param {string} than */
function isOlder(version, than) {
  const parts = (/** @type {string} */ text) => text.split('-')[0]?.split('.').map(Number) ?? [];
  const [own, other] = [parts(version), parts(than)];
  const at = own.findIndex((part, index) => part !== other[index]);
  return at >= 0 && (own[at] ?? 0) < (other[at] ?? 0);
}
