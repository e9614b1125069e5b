/** All targets. */
import type { Target } from '../target.js';
import { clientTargets } from './client.js';
import { intakeTargets } from './intake.js';
import { redisTargets } from './redis.js';
import { tokenTargets } from './tokens.js';

export const targets = async (): Promise<Target[]> => [
  ...clientTargets(),
  ...(await tokenTargets()),
  ...intakeTargets(),
  ...redisTargets(),
];
