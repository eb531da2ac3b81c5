import { type BackendRef, findBackend } from '../storage/backend.ts'
import type { Change } from './commit-change.ts'
import { refuseInput } from './refusal.ts'

/** The id of the backend that the caller names. Throws `NOT_FOUND` at `path`. */
export async function requireBackendId(change: Change, ref: BackendRef, path: readonly string[]): Promise<string> {
  const backend = await findBackend(change.tx, ref)
  if (!backend)
    throw refuseInput('NOT_FOUND', path, 'There is no such backend: neither a deployment nor a provider model.')
  return backend.id
}
