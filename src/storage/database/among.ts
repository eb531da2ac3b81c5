import { type Expression, sql, type SqlBool, type ExpressionBuilder, type RawBuilder } from 'kysely'
import type { Db } from './db.ts'
import type { Tables } from './tables.ts'

/** Whether the text in `column` is one of these: one parameter, however many they are. */
export function isAmong(column: string, values: readonly string[]): Expression<SqlBool> {
  return sql<SqlBool>`${sql.ref(column)} = any(${values}::text[])`
}

/** Ids that are known, or that the statement itself finds; undefined: all. */
export type Ids = readonly string[] | RawBuilder<string[]> | undefined

/** The condition that keeps the rows of these ids, or all. */
export function amongIds<T extends keyof Tables>(column: string, ids: Ids) {
  return (_builder: ExpressionBuilder<Tables, T>): Expression<SqlBool> =>
    ids ? sql<SqlBool>`${sql.ref(column)} = any(${ids})` : sql<SqlBool>`true`
}

/** A row of what a `select…` function reads. */
export type SelectedRow<Select extends (db: Db, ids: Ids) => { execute(): Promise<unknown[]> }> = Awaited<
  ReturnType<ReturnType<Select>['execute']>
>[number]
