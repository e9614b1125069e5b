/** Belfry's SDK: see README.md. */
export type {
  ErrorMessage,
  EventMessage,
  Severity,
  StateMessage,
  StatusMessage,
  ViolationDetail,
  ViolationUpdate,
} from '@belfry/shared/protocol';
export type * from './api.js';
export { createClient } from './client.js';
export type { Clock, Disposer } from './clock.js';
export { BelfryError, type BelfryErrorCode } from './errors.js';
