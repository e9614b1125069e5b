/** E-mail over SMTP, and SMS through any provider that takes JSON over HTTP. */
import { createTransport } from 'nodemailer';
import { type Delivery, subjectOf, textOf, Undeliverable } from './delivery.js';

export type SendMessage = (to: string, delivery: Delivery) => Promise<void>;

export interface MailOptions {
  /** `smtp://user:password@host:587`, `smtps://…`. */
  readonly url: string;
  readonly from: string;
  /** For all of it up to the end of the message. */
  readonly timeoutMs: number;
  /** From then on. Default: ten minutes, as RFC 5321 (4.5.3.2.6) has it. */
  readonly answerMs?: number;
}

export interface MailSender {
  readonly send: SendMessage;
  /** Gives up what is in hand: what has not reached its end is not taken. */
  close(): void;
}

/** A server that has the whole message takes it, most likely, however long it thinks: sent again, it would come twice. */
const ANSWER_MS = 600_000;

export function createMailSender(options: MailOptions): MailSender {
  const { answerMs = ANSWER_MS, from, timeoutMs, url } = options;
  const inHand = new Set<AbortController>();
  return {
    async send(to, delivery) {
      const sending = new AbortController();
      let timer: NodeJS.Timeout | undefined;
      const giveUpAfter = (ms: number): void => {
        clearTimeout(timer);
        timer = setTimeout(() => sending.abort(new Error(`no answer within ${ms} ms`)), ms);
      };
      const transport = createTransport({ url, greetingTimeout: timeoutMs }, { from });
      transport.use('stream', (mail, done) => {
        // Read only once the server has asked for it: at its end, the message is the server's.
        mail.message?.processFunc((message) => message.once('end', () => giveUpAfter(answerMs)));
        done();
      });
      inHand.add(sending);
      giveUpAfter(timeoutMs);
      try {
        await transport.sendMail({
          to,
          subject: subjectOf(delivery),
          text: textOf(delivery),
          // Mail programs fold what has the same id.
          messageId: `<${delivery.id}@belfry>`,
          headers: { 'x-belfry-delivery': delivery.id },
          // Ends the connection: what was given up must not be taken later.
          signal: sending.signal,
        });
      } catch (error) {
        if (sending.signal.aborted) throw sending.signal.reason;
        const status = (error as { responseCode?: number }).responseCode ?? 0;
        // 5xx of SMTP is final: the address does not exist, the message is refused.
        if (status >= 500) throw new Undeliverable('refused', (error as Error).message, { cause: error });
        throw error;
      } finally {
        clearTimeout(timer);
        inHand.delete(sending);
        transport.close();
      }
    },
    close() {
      for (const sending of inHand) sending.abort(new Error('closed before there was an answer'));
    },
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
    throw response.status === 400 || response.status === 422 ? new Undeliverable('refused', reason) : new Error(reason);
  };
