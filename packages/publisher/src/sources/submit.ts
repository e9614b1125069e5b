/** How a source hands changes to intake. */
import type { Change } from '../changes/change.js';

/**
 * Resolves once Redis holds the changes in the intake stream, in this order, and rejects when it does not: a source then
 * behaves as if it had not read them, and later submits them again. Full reports bear the repetition without a key.
 */
export type Submit = (changes: readonly Change[], options?: { readonly key?: string }) => Promise<void>;
