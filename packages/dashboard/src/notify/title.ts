/** What a message is headed with: where it happened, and of which type it is. */
import type { Activity } from '../state/activity.js';
import { placeOf } from '../state/bbl.js';

export const titleOf = ({ channel, label, property }: Activity): string =>
  property ? `${placeOf(property).title} · ${label}` : channel.startsWith('user:') ? 'For you' : 'Announcement';
