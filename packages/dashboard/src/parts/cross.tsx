/** The cross of buttons that remove or dismiss. */
export function Cross() {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d="M4 4l8 8M12 4l-8 8" stroke="currentColor" strokeWidth="1.600" strokeLinecap="round" />
    </svg>
  );
}
