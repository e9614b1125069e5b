/** Which origins can be allowed: they are compared with what browsers send, letter by letter. */

/** For origins that are no web page's, as `capacitor://localhost`: of those `URL` does not know the origin. */
const OTHER_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*A-Z]+$/;

const isOrigin = (text: string): boolean => {
  if (text.includes('*') || !URL.canParse(text)) return false;
  const { origin } = new URL(text);
  return origin === 'null' ? OTHER_ORIGIN.test(text) : origin === text;
};

/** What is wrong with a list of origins, for the check of a setting; undefined where nothing is. */
export function checkOrigins(origins: readonly string[]): string | undefined {
  const wrong = origins.find((origin) => origin !== '*' && !isOrigin(origin));
  return wrong === undefined
    ? undefined
    : `must be \`*\`, or origins as browsers send them, as https://dashboard.example or http://localhost:5173 (in lower case, no path, no slash at the end, no default port), not ${JSON.stringify(wrong)}`;
}
