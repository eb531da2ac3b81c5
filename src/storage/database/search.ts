import { type Expression, sql, type SqlBool } from 'kysely'

/** Whether the text in `column` has `part` somewhere in it, whatever the case of either in any script: `fold_case` is a function of `migrations/`. */
export function containsText(column: string, part: string): Expression<SqlBool> {
  return sql<SqlBool>`strpos(fold_case(${sql.ref(column)}), fold_case(${part.normalize('NFC')})) > 0`
}
