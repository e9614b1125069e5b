/** `Last-Event-ID` never names a position whose events or snapshot the client may not have yet. */
import type { HttpResponse } from 'uWebSockets.js';
import { expect, it } from 'vitest';
import { resyncFrame, stateFrame, subscribedFrame } from '../channels/frames.js';
import { openEventStream } from './stream.js';

const CHANNEL = 'property:1012650001';
const at = (offset: number) => ({ epoch: 7, offset });

/** A stream, the `id:` of each frame that was written to it, and a client that reads or does not. */
function openStream(known: string) {
  const ids: string[] = [];
  let reads = true;
  let writable = (): unknown => undefined;
  const response = {
    onAborted: () => response,
    onWritable: (handler: () => void) => {
      writable = handler;
      return response;
    },
    close: () => response,
    cork: (run: () => void) => run(),
    writeStatus: () => response,
    writeHeader: () => response,
    write(text: string) {
      const id = /^id: (.*)$/m.exec(text)?.[1];
      if (id !== undefined) ids.push(id);
      return reads;
    },
  };
  const client = {
    stopsReading() {
      reads = false;
    },
    readsAgain() {
      reads = true;
      writable();
    },
  };
  const nothing = (): void => undefined;
  const stream = openEventStream({
    response: response as unknown as HttpResponse,
    headers: [],
    positions: new Map([[CHANNEL, known]]),
    maxBackpressureBytes: 65_536,
    onFollow: nothing,
    onUnfollow: nothing,
    onAlive: nothing,
    onDrained: nothing,
    onClosed: nothing,
  });
  return { client, stream, ids };
}

it('keeps the position until the snapshot that makes up for the lost history was written', () => {
  const { ids, stream } = openStream('3-1');
  stream.send(subscribedFrame(CHANNEL, at(5), 0, false, undefined));
  stream.send(stateFrame(CHANNEL, at(5), []));
  expect(ids).toEqual([`${CHANNEL}@3-1`, `${CHANNEL}@7-5`]);
});

it('keeps the position until the snapshot behind a RESYNC was written', () => {
  const { ids, stream } = openStream('3-1');
  stream.publish(CHANNEL, resyncFrame(CHANNEL, at(5)));
  stream.publish(CHANNEL, stateFrame(CHANNEL, at(5), []));
  expect(ids).toEqual([`${CHANNEL}@3-1`, `${CHANNEL}@7-5`]);
});

it('moves with each event of a replay, and at once where there is none', () => {
  const { ids, stream } = openStream('7-3');
  stream.send(subscribedFrame(CHANNEL, at(4), 1, true, undefined));
  stream.send(`{"id":"7-4","channel":"${CHANNEL}","type":"x"}`);
  expect(ids).toEqual([`${CHANNEL}@7-3`, `${CHANNEL}@7-4`]);
  const another = openStream('7-4');
  another.stream.send(subscribedFrame(CHANNEL, at(4), 0, true, undefined));
  expect(another.ids).toEqual([`${CHANNEL}@7-4`]);
});

it('shows nothing behind what it had no room for, also where the client reads again before it is cut off', () => {
  const { client, ids, stream } = openStream('7-3');
  client.stopsReading();
  const large = 'x'.repeat(70_000);
  expect(stream.send(`{"id":"7-4","channel":"${CHANNEL}","pad":"${large}"}`)).toBe(true);
  expect(stream.send(`{"id":"7-5","channel":"${CHANNEL}"}`)).toBe(false);
  client.readsAgain();
  stream.publish(CHANNEL, Buffer.from(`{"id":"7-6","channel":"${CHANNEL}"}`));
  expect(ids).toEqual([`${CHANNEL}@7-4`]);
});
