import { createHash } from 'node:crypto'
import { getIdempotentResult, insertIdempotencyKey, setIdempotentResult } from '../../storage/change/idempotency-key.ts'
import { hasObject } from '../../storage/database/has-object.ts'
import type { Change, CreateInput } from './commit.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'

/** Ids of what was made. */
export type CreatedIds = { readonly [name: string]: string | null }

/**
 * Makes something once per caller, mutation and idempotency key: with the same key within 24 h the first result is
 * returned and nothing is done. Two calls at the same time take turns. Without a key it is simply made.
 *
 * Throws `IDEMPOTENCY_KEY_REUSED` if the key came with another input, and `NOT_FOUND` if the object that is named by `main`
 * was deleted since: an answer without an object and without an error would say nothing.
 */
export async function makeOnce<T extends CreatedIds>(
  change: Change,
  { waitFor: _waitFor, ...input }: CreateInput,
  main: keyof T & string,
  make: () => Promise<T>,
): Promise<T> {
  const key = input.idempotencyKey
  if (key == null) return make()
  const path = ['input', 'idempotencyKey']
  if (key.length === 0 || key.length > 255)
    throw refuseInput('INVALID', path, 'An idempotency key has 1 to 255 characters.')
  const id = { actorId: change.actor.id, mutation: change.action, key }
  const inputHash = createHash('sha256').update(canonicalJson(input)).digest('hex')
  if (await insertIdempotencyKey(change.tx, id, inputHash)) {
    const made = await make()
    change.onVersion((version) => setIdempotentResult(change.tx, id, made, version))
    return made
  }
  const first = await getIdempotentResult(change.tx, id)
  if (first.inputHash !== inputHash)
    throw refuseInput(
      'IDEMPOTENCY_KEY_REUSED',
      path,
      'This idempotency key was used with another input. Take a new one.',
    )
  const madeId = first.result[main]
  if (!madeId || !(await hasObject(change.tx, madeId)))
    throw refuseOperation('NOT_FOUND', 'What was made with this idempotency key was deleted since.', path)
  if (first.version !== null) change.answersFor(first.version)
  return first.result as T
}

/** The same text for equal values, whatever the order of their members. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
