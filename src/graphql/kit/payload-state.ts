import type DataLoader from 'dataloader'
import { subjectKindOf } from '../../routing/config/subject-kind.ts'
import type { Tx } from '../../storage/database/db.ts'
import { createLoaders, type Loaders, type PayloadPart, payloadParts } from './loaders.ts'

/** Puts the rows that were read into the loaders that the fields of a payload use. */
export type PrimeLoaders = (loaders: Loaders) => void

/**
 * Reads the objects that a change has touched within its transaction, so that a payload shows the state that its mutation created and
 * not a later one. It needs one statement for each part of each type.
 */
export async function readPayloadState(tx: Tx, ids: readonly string[]): Promise<PrimeLoaders> {
  const from = createLoaders(tx)
  const primes: PrimeLoaders[] = []
  for (const [kind, group] of Map.groupBy(ids, subjectKindOf))
    for (const part of kind ? payloadParts[kind] : []) primes.push(await readPart(from, part, group))
  const restricted = (
    await Promise.all(ids.filter((id) => subjectKindOf(id) === 'route').map((id) => from.route.load(id)))
  ).flatMap((route) => (route?.access_policy === 'RESTRICTED' ? [route.id] : []))
  if (restricted.length > 0) {
    primes.push(await readPart(from, 'accessUsersOfRoute', restricted))
    primes.push(await readPart(from, 'accessApiKeysOfRoute', restricted))
  }
  return (loaders) => {
    for (const prime of primes) prime(loaders)
  }
}

async function readPart(from: Loaders, part: PayloadPart, ids: readonly string[]): Promise<PrimeLoaders> {
  const values = await Promise.all(ids.map((id) => from[part].load(id)))
  return (loaders) => {
    for (const [index, id] of ids.entries()) (loaders[part] as DataLoader<string, unknown>).prime(id, values[index])
  }
}
