/** The bell and the name. */
export function Logo() {
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="var(--brand)" />
        <path
          d="M16 6.500c-3.600 0-5.800 2.700-5.800 6.200 0 5-2.200 6.300-2.200 7.800h16c0-1.500-2.200-2.800-2.200-7.800 0-3.500-2.200-6.200-5.800-6.200z"
          fill="#fff"
        />
        <circle cx="16" cy="23.600" r="2.200" fill="#f0b429" />
      </svg>
      Belfry
    </span>
  );
}
