/** React hooks on the SDK: see README.md. */
export { type ChannelOptions, type ChannelPhase, type ChannelView, useChannel } from './channel.js';
export type { Notification } from './inbox.js';
export { type Notifications, type NotificationsOptions, useNotifications } from './notifications.js';
export type { PropertyView } from './properties.js';
export { type PortfolioView, usePortfolio, useProperty } from './property.js';
export { BelfryProvider, type BelfryProviderProps, useClient } from './provider.js';
export { type Outage, useLostConnection, useStatus, useUser } from './status.js';
