/** How soon what a gateway says of its clients stops to count. */
import { integer } from '../service/settings.js';

export const presenceSettings = {
  PRESENCE_EXPIRY_SECONDS: integer({
    text: 'How long after its last sign of life a gateway’s clients count as connected; it gives at least five in this time',
    default: '5',
    min: 2,
    max: 300,
    unit: 'seconds',
  }),
} as const;
