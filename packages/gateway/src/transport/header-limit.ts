/**
 * How large the header of a request may be. uWebSockets takes 4 KB unless its own variable says otherwise when it is loaded,
 * which is less than the token of a landlord with some hundred properties: so this is imported before it.
 */

/** For the longest token, and what browsers and proxies send besides. */
const MAX_HEADER_BYTES = 16_384;

process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEADER_BYTES);
