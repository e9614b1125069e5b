/** Frames that speak of a whole channel. Written by hand: names and positions need no escaping, events are JSON already. */
import { formatPosition, type Position, propertyOf, type Ref } from '@belfry/shared/protocol';

const about = (channel: string): string => {
  const property = propertyOf(channel);
  return property === undefined ? `"channel":"${channel}"` : `"property_id":"${property}","channel":"${channel}"`;
};
const refOf = (ref: Ref | undefined): string => (ref === undefined ? '' : `,"ref":${JSON.stringify(ref)}`);

export function subscribedFrame(
  channel: string,
  position: Position,
  replay: number,
  recovered: boolean | undefined,
  ref: Ref | undefined,
): string {
  const outcome = recovered === undefined ? '' : `,"recovered":${recovered}`;
  return `{"type":"SUBSCRIBED",${about(channel)},"id":"${formatPosition(position)}"${outcome},"replay":${replay}${refOf(ref)}}`;
}

export function unsubscribedFrame(channel: string, ref: Ref | undefined, reason?: string): string {
  const because = reason === undefined ? '' : `,"reason":${JSON.stringify(reason)}`;
  return `{"type":"UNSUBSCRIBED",${about(channel)}${because}${refOf(ref)}}`;
}

export function stateFrame(channel: string, position: Position, events: readonly string[], ref?: Ref): string {
  return `{"type":"STATE",${about(channel)},"id":"${formatPosition(position)}","events":[${events.join(',')}]${refOf(ref)}}`;
}

export const resyncFrame = (channel: string, position: Position): string =>
  `{"type":"RESYNC",${about(channel)},"id":"${formatPosition(position)}"}`;
