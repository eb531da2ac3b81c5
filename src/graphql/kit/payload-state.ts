import type DataLoader from 'dataloader'
import { type ObjectType, typeOfId } from '../../routing/config/object-id.ts'
import type { Tx } from '../../storage/database/db.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** The loaders whose rows together are the state of an object, by its type. */
const partsByType: Partial<Record<ObjectType, readonly ((loaders: Loaders) => DataLoader<string, unknown>)[]>> = {
  Provider: [
    ({ provider }) => provider,
    ({ modelsOfProvider }) => modelsOfProvider,
    ({ credentialsOfProvider }) => credentialsOfProvider,
    ({ headerNamesOfProvider }) => headerNamesOfProvider,
  ],
  Deployment: [({ deployment }) => deployment, ({ endpointsOfDeployment }) => endpointsOfDeployment],
  Route: [({ route }) => route, ({ destinationsOfRoute }) => destinationsOfRoute],
  User: [({ user }) => user],
  RateLimit: [({ rateLimit }) => rateLimit],
  Budget: [({ budget }) => budget],
  ApiKey: [({ apiKey }) => apiKey, ({ routesOfApiKey }) => routesOfApiKey],
}

/** Puts the rows that were read into the loaders that the fields of a payload use. */
export type PrimeLoaders = (loaders: Loaders) => void

/**
 * Reads the objects that a change has touched within its transaction, so that a payload shows the state that its mutation created and
 * not a later one. It needs one statement for each part of each type.
 */
export async function readPayloadState(tx: Tx, ids: readonly string[]): Promise<PrimeLoaders> {
  const from = createLoaders(tx)
  const primes: PrimeLoaders[] = []
  for (const [type, group] of Map.groupBy(ids, typeOfId))
    for (const part of (type && partsByType[type]) ?? []) primes.push(await readPart(from, part, group))
  const restricted = (
    await Promise.all(ids.filter((id) => typeOfId(id) === 'Route').map((id) => from.route.load(id)))
  ).flatMap((route) => (route?.access_policy === 'RESTRICTED' ? [route.id] : []))
  if (restricted.length > 0) {
    primes.push(await readPart(from, ({ accessUsersOfRoute }) => accessUsersOfRoute, restricted))
    primes.push(await readPart(from, ({ accessApiKeysOfRoute }) => accessApiKeysOfRoute, restricted))
  }
  return (loaders) => {
    for (const prime of primes) prime(loaders)
  }
}

async function readPart(
  from: Loaders,
  part: (loaders: Loaders) => DataLoader<string, unknown>,
  ids: readonly string[],
): Promise<PrimeLoaders> {
  const values = await Promise.all(ids.map((id) => part(from).load(id)))
  return (loaders) => {
    for (const [index, id] of ids.entries()) part(loaders).prime(id, values[index])
  }
}
