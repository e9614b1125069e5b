/** For an address that is no page, or none that this user may see. */
import { linkTo } from '../parts/route.js';

export function MissingPage() {
  return (
    <>
      <h1>There is no such page</h1>
      <p className="card empty">
        <a href={linkTo()}>Go to the portfolio</a>
      </p>
    </>
  );
}
