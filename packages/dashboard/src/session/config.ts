/** Where the gateways are: `config.json` beside the page, then what the address's fragment says. */

export interface Config {
  /** WebSocket addresses; the next is tried when one fails. */
  readonly gateways: readonly string[];
  /** Base of the operators' calls, same origin: a path. Empty where they are not offered. */
  readonly operators: string;
  /** Base of the publisher's calls for users. Empty: the portfolio stays in the browser. */
  readonly publisher: string;
}

export interface Prefill {
  readonly token: string;
  readonly gateway: string;
  readonly operator: string;
}

export async function loadConfig(location: Location, fetch: typeof globalThis.fetch): Promise<Config> {
  const own = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
  const given = await fetch('./config.json', { cache: 'no-cache' })
    .then((response) => (response.ok ? response.json() : {}))
    .catch(() => ({}));
  const { gateways, operators, publisher } = (given ?? {}) as Record<string, unknown>;
  const urls = Array.isArray(gateways) ? gateways.filter((url) => typeof url === 'string' && url !== '') : [];
  return {
    gateways: urls.length > 0 ? urls : [own],
    operators: typeof operators === 'string' ? operators : '',
    publisher: typeof publisher === 'string' && URL.canParse(publisher, location.href) ? publisher : '',
  };
}

/** Takes `#token=…&gateway=…&operator=…` out of the address, so that it stays in no history and no bookmark. */
export function takePrefill(location: Location, history: History): Prefill {
  const fragment = location.hash.slice(1);
  const params = new URLSearchParams(fragment.startsWith('/') ? '' : fragment);
  const prefill = {
    token: params.get('token') ?? '',
    gateway: params.get('gateway') ?? '',
    operator: params.get('operator') ?? '',
  };
  if (prefill.token || prefill.gateway || prefill.operator) {
    history.replaceState(null, '', `${location.pathname}${location.search}#${params.get('page') ?? '/'}`);
  }
  return prefill;
}

/** @returns what is wrong with a gateway's address, for people */
export function gatewayError(url: string): string | undefined {
  if (!URL.canParse(url)) return 'Write an address such as wss://belfry.example/ws.';
  return /^(wss?|https?):$/.test(new URL(url).protocol) ? undefined : 'The address begins with ws:// or wss://.';
}
