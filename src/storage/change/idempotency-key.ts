import { sql } from 'kysely'
import type { Tx } from '../database/db.ts'

export interface IdempotencyId {
  readonly actorId: string
  readonly mutation: string
  readonly key: string
}

/**
 * Reserves the idempotency key in this transaction; false if it was used within the last 24 h. Waits for a concurrent transaction with
 * the same key.
 */
export async function insertIdempotencyKey(tx: Tx, id: IdempotencyId, inputHash: string): Promise<boolean> {
  await tx
    .deleteFrom('idempotency_key')
    .where('created_at', '<', sql<Date>`now() - interval '24 hours'`)
    .execute()
  const row = await tx
    .insertInto('idempotency_key')
    .values({ actor_id: id.actorId, mutation: id.mutation, key: id.key, input_hash: inputHash, result: '{}' })
    .onConflict((conflict) => conflict.doNothing())
    .returning('key')
    .executeTakeFirst()
  return row !== undefined
}

/** Stores the created ids and the version of the change, for later calls with the same key. */
export async function setIdempotentResult(
  tx: Tx,
  id: IdempotencyId,
  result: Readonly<Record<string, string | null>>,
  version: number,
): Promise<void> {
  await tx
    .updateTable('idempotency_key')
    .set({ result: JSON.stringify(result), config_version: version })
    .where('actor_id', '=', id.actorId)
    .where('mutation', '=', id.mutation)
    .where('key', '=', id.key)
    .execute()
}

/** The stored result of the key. Throws if the key was not used. */
export async function getIdempotentResult(
  tx: Tx,
  id: IdempotencyId,
): Promise<{ inputHash: string; result: Record<string, string | null>; version: number | null }> {
  const row = await tx
    .selectFrom('idempotency_key')
    .select(['input_hash', 'result', 'config_version'])
    .where('actor_id', '=', id.actorId)
    .where('mutation', '=', id.mutation)
    .where('key', '=', id.key)
    .executeTakeFirstOrThrow()
  return { inputHash: row.input_hash, result: row.result, version: row.config_version }
}
