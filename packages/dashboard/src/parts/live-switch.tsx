/** Live updates on or off. Off means that the picture stands still; what comes meanwhile is shown afterwards. */
import { useStore } from '../state/store.js';
import { useSigned } from './context.js';

export function LiveSwitch() {
  const { session } = useSigned();
  const paused = useStore(session.live.status, ({ paused }) => paused);
  const waiting = useStore(session.live.status, ({ waiting }) => waiting);
  return (
    <span className="live-switch">
      <button
        type="button"
        role="switch"
        aria-checked={!paused}
        aria-label="Live updates"
        className="switch"
        onClick={() => session.live.pause(!paused)}
      >
        <span className="switch-track" aria-hidden="true" />
        <span>
          Live<span className="roomy"> updates</span>
        </span>
      </button>
      {paused && <span className="waiting">{waiting === 1 ? '1 waiting' : `${waiting} waiting`}</span>}
    </span>
  );
}
