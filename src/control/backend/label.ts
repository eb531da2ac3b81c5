import { listTakenLabels } from '../../storage/backend/label.ts'
import { lockConfigVersion } from '../../storage/change/version.ts'
import type { Change } from '../change/commit.ts'
import { RefusalError } from '../kit/refusal.ts'

/** A label that a change gives to a backend, and the path of the argument that it comes from. */
export interface GivenLabel {
  readonly label: string
  readonly path: readonly string[]
}

/**
 * Throws `TAKEN` if another provider's model or another deployment has one of these labels: metrics, logs and reports identify backends
 * by them, and a deployment can be named `provider/model`. Call it when everything is written: it takes the version lock, so that the
 * second of two concurrent changes sees the first.
 */
export async function requireFreeLabels(change: Change, ownId: string, given: readonly GivenLabel[]): Promise<void> {
  if (given.length === 0) return
  await lockConfigVersion(change.tx)
  const taken = await listTakenLabels(
    change.tx,
    given.map(({ label }) => label),
    ownId,
  )
  const refusals = given.filter(({ label }) => taken.has(label)).map(refusalOf)
  if (refusals.length > 0) throw new RefusalError(...refusals)
}

function refusalOf({ label, path }: GivenLabel) {
  return { kind: 'input', code: 'TAKEN', path, message: `Another backend has the label ${label}.` } as const
}
