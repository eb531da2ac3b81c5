import { type Expression, sql, type SqlBool } from 'kysely'

/** Whether the text in `column` is one of these: one parameter, however many they are. */
export function isAmong(column: string, values: readonly string[]): Expression<SqlBool> {
  return sql<SqlBool>`${sql.ref(column)} = any(${values}::text[])`
}
