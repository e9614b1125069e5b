/** E-mail over SMTP, and SMS through any provider that takes JSON over HTTP. */
import { createTransport } from 'nodemailer';
import { type Delivery, subjectOf, textOf, Undeliverable } from './delivery.js';

export type SendMessage = (to: string, delivery: Delivery) => Promise<void>;

export interface MailOptions {
  /** `smtp://user:password@host:587`, `smtps://…`. */
  readonly url: string;
  readonly from: string;
  readonly timeoutMs: number;
}

export function createMailSender(options: MailOptions): { send: SendMessage; close(): void } {
  const { timeoutMs } = options;
  const transport = createTransport(options.url, { from: options.from });
  return {
    async send(to, delivery) {
      const sending = transport.sendMail({
        to,
        subject: subjectOf(delivery),
        text: textOf(delivery),
        // Mail programs fold what has the same id.
        messageId: `<${delivery.id}@belfry>`,
        headers: { 'x-belfry-delivery': delivery.id },
      });
      try {
        await within(sending, timeoutMs);
      } catch (error) {
        const status = (error as { responseCode?: number }).responseCode ?? 0;
        // 5xx of SMTP is final: the address does not exist, the message is refused.
        if (status >= 500) throw new Undeliverable((error as Error).message, { cause: error });
        throw error;
      }
    },
    close: () => transport.close(),
  };
}

export interface SmsOptions {
  readonly url: string;
  readonly token: string;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
}

const MAX_SMS_LENGTH = 300;

/** Posts `{"to","text","delivery_id"}`; a provider with another form is put behind a small adapter. */
export const createSmsSender =
  (options: SmsOptions): SendMessage =>
  async (to, delivery) => {
    const response = await options.fetch(options.url, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs),
      headers: {
        'content-type': 'application/json',
        'idempotency-key': delivery.id,
        ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
      },
      body: JSON.stringify({ to, text: subjectOf(delivery).slice(0, MAX_SMS_LENGTH), delivery_id: delivery.id }),
    });
    await response.body?.cancel();
    if (response.ok) return;
    const reason = `the SMS provider answered ${response.status}`;
    throw response.status === 400 || response.status === 422 ? new Undeliverable(reason) : new Error(reason);
  };

async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
