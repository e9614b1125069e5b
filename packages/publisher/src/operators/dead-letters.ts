/** Operators look at dead letters, and send those that were mended back to the intake. */
import { type Connection, intakeKey } from '@belfry/shared/log';
import { numberIn, OperatorError, type OperatorRoute } from '@belfry/shared/service';
import { intakeKeys } from '../intake/keys.js';

const POSITION = /^\d{1,16}-\d{1,16}$/;

export function createDeadLetterRoutes(options: {
  readonly connection: Connection;
  readonly prefix: string;
}): OperatorRoute[] {
  const { connection, prefix } = options;
  const { dead } = intakeKeys(prefix);
  return [
    {
      method: 'GET',
      path: '/dead-letters',
      text: 'Intake entries that can never succeed, newest first, with the reason; `?limit=` 1 to 200 (50)',
      run: async ({ query }) => {
        const limit = numberIn(query.get('limit'), 'limit', { min: 1, max: 200, default: 50 });
        const rows = await connection.xrevrange(dead, '+', '-', 'COUNT', limit);
        return { total: await connection.xlen(dead), entries: rows.map(([id, fields]) => readRow(id, fields)) };
      },
    },
    {
      method: 'POST',
      path: '/dead-letters/{id}/resend',
      text: 'Sends an entry to the intake again, as it was or with `{"fields": {…}}` in its place, and drops the dead letter',
      run: async ({ body, id }) => {
        if (!POSITION.test(id)) throw new OperatorError(400, 'bad_request', 'the id must be that of a dead letter');
        const [row] = await connection.xrange(dead, id, id);
        if (!row) throw new OperatorError(404, 'not_found', `there is no dead letter ${id}`);
        const fields = body.fields === undefined ? readRow(id, row[1]).fields : textFields(body.fields);
        // Written again by the connection, or sent again because it was not dropped: by its key it is known as the same.
        const keyed = { key: `dead-letter-${id}`, ...fields };
        const accepted = await connection.xadd(intakeKey(prefix), '*', ...Object.entries(keyed).flat());
        await connection.xdel(dead, id);
        return { accepted };
      },
    },
  ];
}

/** `reason` and `entry` come first and are ours; what follows is what was sent. */
function readRow(id: string, row: readonly string[]) {
  const [, reason, , entry, ...rest] = row;
  const fields: Record<string, string> = Object.create(null);
  for (let n = 0; n + 1 < rest.length; n += 2) fields[rest[n] as string] = rest[n + 1] as string;
  return { id, reason, entry, fields };
}

function textFields(value: unknown): Record<string, string> {
  const sound =
    typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string');
  if (!sound || Object.keys(value).length === 0) {
    throw new OperatorError(400, 'bad_request', 'fields must be an object of texts, such as {"change": "…"}');
  }
  return value as Record<string, string>;
}
