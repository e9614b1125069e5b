/** Where in Redis everything is: the same for whoever shares it, so declared once. */
import { textOf } from '../service/index.js';
import { DEFAULT_KEY_PREFIX } from './keys.js';

export const keySettings = {
  KEY_PREFIX: textOf(
    { pattern: /^[A-Za-z0-9_.:-]{1,64}$/, allowed: 'letters, digits, "_", ".", ":" or "-", up to 64' },
    {
      text: 'Begins the name of every key in Redis; clusters that share a Redis have different ones',
      default: DEFAULT_KEY_PREFIX,
    },
  ),
} as const;
