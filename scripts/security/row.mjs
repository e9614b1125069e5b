// @ts-check
/**
 * The controls that keep strangers out, each with the tests that show it and a twin: the change that takes the control
 * away, with which one of those tests must fail. A twin is one replacement in what was built (`dist`) or in a source that
 * tests read directly; a text that is not there exactly once makes the run fail, so a twin cannot go stale unseen.
 *
 * @typedef {object} Control
 * @property {string} id
 * @property {string} control
 * @property {string} test file
 * @property {string} named a part of the names of its tests, as a regular expression; empty: all of the file
 * @property {{ file: string, find: string, put: string }} twin
 * @property {string} source
 */

export const OWASP =
  '[OWASP WebSocket](https://cheatsheetseries.owasp.org/cheatsheets/WebSocket_Security_Cheat_Sheet.html)';
export const ASVS = '[ASVS 5](https://github.com/OWASP/ASVS/tree/master/5.0/en)';
export const JWT = '[RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)';
export const WEBSOCKET = '[RFC 6455](https://www.rfc-editor.org/rfc/rfc6455)';
export const UWS = '[uWebSockets](https://github.com/uNetworking/uWebSockets)';
export const ACL = '[Redis ACL](https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/)';

export const GATEWAY = 'packages/gateway/dist';
export const SHARED = 'packages/shared/dist';
export const BUDGETS = 'e2e/hostile/budgets.test.ts';
export const BAD_INPUT = 'e2e/bad-input.test.ts';
export const FORGED = 'packages/shared/src/auth/verify-secret.test.ts';

/** @type {(id: string, control: string, test: string, named: string, file: string, find: string, put: string, source: string) => Control} */
export const row = (id, control, test, named, file, find, put, source) => ({
  id,
  control,
  test,
  named,
  twin: { file, find, put },
  source,
});
