import { sql } from 'kysely'
import type { Db } from '../database/db.ts'
import type { SecretBox } from './box.ts'

/** Where secrets are kept. The id of a row is what its secret is sealed for. */
const sealedColumns = [
  { table: 'provider_credential', column: 'sealed_secret' },
  { table: 'provider_header', column: 'sealed_value' },
  { table: 'deployment', column: 'sealed_secret' },
] as const
type SealedColumn = (typeof sealedColumns)[number]

const batchSize = 100

/**
 * Puts all stored secrets under the current encryption key, while everything runs: only the wrapping of a secret's own key
 * changes. Returns how many had another one. Any number of processes may do it at once, and again after a break-off.
 *
 * Throws `SecretBoxError` at a secret whose encryption key is not among those of the box.
 */
export async function rewrapSecrets(db: Db, box: SecretBox): Promise<number> {
  let count = 0
  for (const place of sealedColumns) count += await rewrapColumn(db, box, place)
  return count
}

async function rewrapColumn(db: Db, box: SecretBox, place: SealedColumn): Promise<number> {
  let count = 0
  let after = ''
  for (;;) {
    const rows = await listSealed(db, place, after)
    for (const { id, sealed } of rows) {
      const rewrapped = box.rewrap(sealed, id)
      if (rewrapped && (await replaceSealed(db, place, { id, sealed, rewrapped }))) count++
    }
    const last = rows.at(-1)
    if (!last || rows.length < batchSize) return count
    after = last.id
  }
}

async function listSealed(
  db: Db,
  { table, column }: SealedColumn,
  after: string,
): Promise<{ id: string; sealed: Buffer }[]> {
  const { rows } = await sql<{ id: string; sealed: Buffer }>`
    select id, ${sql.ref(column)} as sealed from ${sql.table(table)}
    where id > ${after} and ${sql.ref(column)} is not null
    order by id limit ${batchSize}`.execute(db)
  return rows
}

/** Only if the row still has the value that was read: an operator may have replaced the secret meanwhile. */
async function replaceSealed(
  db: Db,
  { table, column }: SealedColumn,
  { id, sealed, rewrapped }: { id: string; sealed: Buffer; rewrapped: Buffer },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update ${sql.table(table)} set ${sql.ref(column)} = ${rewrapped}
    where id = ${id} and ${sql.ref(column)} = ${sealed}`.execute(db)
  return numAffectedRows === 1n
}
