/** `Last-Event-ID` never names a position whose events or snapshot the client may not have yet. */
import type { HttpResponse } from 'uWebSockets.js';
import { describe, expect, it } from 'vitest';
import { resyncFrame, stateFrame, subscribedFrame } from '../channels/frames.js';
import { openEventStream, readLastEventId } from './stream.js';

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
    subscribed: new Set([CHANNEL]),
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

describe('what `Last-Event-ID` says of the channels that are asked for', () => {
  const of = (text: string) => Object.fromEntries(readLastEventId(text, ['property:1', 'property:2']));

  it('are the positions that it names; a channel that is not named is a newcomer’s', () => {
    expect(of('')).toEqual({});
    expect(of('property:1@7-2')).toEqual({ 'property:1': '7-2' });
    expect(of('property:1@7-2 property:2@7-3 user:tenant-1@7-4')).toEqual({
      'property:1': '7-2',
      'property:2': '7-3',
      'user:tenant-1': '7-4',
    });
  });

  it.each(['property:1@NaN', 'property:1@', 'property:1@-1--1', 'property:1@7-2é'])(
    'is that the position of one is unknown, where it is %s',
    (text) => expect(of(`${text} property:2@7-3`)).toEqual({ 'property:1': '0-0', 'property:2': '7-3' }),
  );

  it.each(['property:1@7-2,property:2@7-3', '42', '@', '@7-2', 'nobody', 'property.1@7-2'])(
    'is nothing of any where it is %s: the position of each is unknown',
    (text) => expect(of(text)).toEqual({ 'property:1': '0-0', 'property:2': '0-0' }),
  );

  it('is what can be read of it where another part cannot: only the other channel’s is unknown', () => {
    expect(of('property:1@7-2 property.2@7-3')).toEqual({ 'property:1': '7-2', 'property:2': '0-0' });
    expect(of('property:1@7-2, property:2@7-3')).toEqual({ 'property:1': '0-0', 'property:2': '7-3' });
  });
});
