import { createHash } from 'node:crypto'
import { getIdempotentResult, insertIdempotencyKey, setIdempotentResult } from '../../storage/change/idempotency-key.ts'
import { hasObject } from '../../storage/config/has-object.ts'
import type { Change, CreateInput } from './commit.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'

/** Ids of the created objects, by name. */
export type CreatedIds = { readonly [name: string]: string | null }

/**
 * Runs `make` once per caller, mutation and idempotency key: a call with the same key within 24 h returns the first result and changes
 * nothing. Concurrent calls run one after the other. Without a key `make` always runs.
 *
 * Throws `IDEMPOTENCY_KEY_REUSED` if the key was used with another input, and `NOT_FOUND` if the object that `main` names was deleted
 * since: an answer with neither object nor error would be misleading.
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
    throw refuseOperation('NOT_FOUND', 'The object that was created with this idempotency key was deleted since.', path)
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
