import { type Expression, sql, type SqlBool } from 'kysely'

/** By id or name: an object of the platform as its users name it. */
export type Ref = { readonly id: string } | { readonly name: string }

/** Whether the row is the object that `ref` names. Names are stored in NFC. */
export function isRef(ref: Ref): Expression<SqlBool> {
  return 'id' in ref ? sql<SqlBool>`id = ${ref.id}` : sql<SqlBool>`name = ${ref.name.normalize('NFC')}`
}
