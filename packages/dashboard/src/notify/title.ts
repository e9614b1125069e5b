/** What a message is headed with: where it happened, and of which type it is. */
import type { Activity } from '../state/activity.js';
import { placeOf } from '../state/bbl.js';

/** Where it happened, or for whom it is. */
export const sourceOf = ({ channel, property }: Activity): string =>
  property ? placeOf(property).title : channel.startsWith('user:') ? 'For you' : 'Announcement';

/** A message to people says by itself what it is about; what has none is named by its type. */
export const titleOf = (entry: Activity): string =>
  entry.property || !entry.message ? `${sourceOf(entry)} · ${entry.label}` : sourceOf(entry);
