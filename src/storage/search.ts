import { type Expression, sql, type SqlBool } from 'kysely'

/** Whether the text in `column` has `part` somewhere in it, whatever the case of either. */
export function containsText(column: string, part: string): Expression<SqlBool> {
  return sql<SqlBool>`strpos(lower(${sql.ref(column)}), lower(${part})) > 0`
}
