import { createHash } from 'node:crypto'
import { getIdempotentResult, insertIdempotencyKey, setIdempotentResult } from '../storage/idempotency-key.ts'
import type { Change } from './commit-change.ts'
import { refuseInput } from './refusal.ts'

/** Ids of what was made. */
export type Made = { readonly [name: string]: string | null }

/**
 * Makes something once per caller, mutation and idempotency key: with the same key within 24 h the first result is
 * returned and nothing is done. Two calls at the same time take turns. Without a key it is simply made.
 *
 * Throws `IDEMPOTENCY_KEY_REUSED` if the key came with another input.
 */
export async function makeOnce<T extends Made>(
  change: Change,
  key: string | null | undefined,
  input: object,
  make: () => Promise<T>,
): Promise<T> {
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
