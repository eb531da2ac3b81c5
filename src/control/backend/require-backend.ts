import { type BackendRef, findBackend } from '../../storage/backend/read.ts'
import type { FaultCollector } from '../kit/collect-faults.ts'
import type { Change } from '../change/commit.ts'
import { refuseInput } from '../kit/refusal.ts'

/** The id of the backend that the caller names. Throws `NOT_FOUND` at `path`. */
export async function requireBackendId(change: Change, ref: BackendRef, path: readonly string[]): Promise<string> {
  const backend = await findBackend(change.tx, ref)
  if (!backend)
    throw refuseInput('NOT_FOUND', path, 'There is no such backend: neither a deployment nor a provider model.')
  return backend.id
}

/**
 * Like `requireBackendId`, but adds a missing backend to the faults and returns a placeholder id, unique for each path, so that the
 * rest of the route is still checked. The placeholder is never written, because a change with faults is rolled back.
 */
export async function requireBackendIdOr(
  faults: FaultCollector,
  change: Change,
  ref: BackendRef,
  path: readonly string[],
): Promise<string> {
  return (await faults.attemptAsync(() => requireBackendId(change, ref, path))) ?? `unknown ${path.join('.')}`
}
