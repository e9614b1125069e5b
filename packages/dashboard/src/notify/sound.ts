/** The sound for critical events: 800 Hz for half a second, at most every ten seconds, in one tab only. */

const FREQUENCY_HZ = 800;
const SECONDS = 0.5;
const QUIET_MS = 10_000;
/** Long enough that nobody hears a click. */
const RAMP_SECONDS = 0.02;

let context: AudioContext | undefined;

/** Call from a click: browsers let no page make a sound before. @returns whether it may now */
export async function allowSound(): Promise<boolean> {
  context ??= new AudioContext();
  await context.resume();
  return context.state === 'running';
}

/**
 * Sound that was allowed on an earlier visit: browsers hold it back until the page has been touched again.
 * @returns the disposer
 */
export function allowSoundWhenTouched(wanted: () => boolean): () => void {
  const gestures = ['click', 'keydown'] as const;
  const stop = (): void => {
    for (const gesture of gestures) removeEventListener(gesture, touched, true);
  };
  const touched = (): void => {
    if (!wanted()) return;
    void allowSound().then((allowed) => allowed && stop());
  };
  for (const gesture of gestures) addEventListener(gesture, touched, true);
  return stop;
}

/** Whether a sound would be heard, as far as a page can know. */
const soundAllowed = (): boolean => context?.state === 'running';

/** @param volume 0 to 1 */
export function playTone(volume: number): void {
  if (context?.state !== 'running') return;
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const start = context.currentTime;
  oscillator.frequency.value = FREQUENCY_HZ;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(volume, start + RAMP_SECONDS);
  gain.gain.setValueAtTime(volume, start + SECONDS - RAMP_SECONDS);
  gain.gain.linearRampToValueAtTime(0, start + SECONDS);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + SECONDS);
}

/** The tab that gets the lock rings, and keeps it until the next ring may come. */
export function ringOnce(volume: number): void {
  if (!soundAllowed()) return;
  const ring = (): Promise<void> => {
    playTone(volume);
    return new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  };
  if (!navigator.locks) return playTone(volume);
  void navigator.locks.request('belfry-dashboard:sound', { ifAvailable: true }, (lock) => (lock ? ring() : undefined));
}
