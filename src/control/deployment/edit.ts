import { isDeepStrictEqual } from 'node:util'
import {
  type DeploymentDraft,
  findDeploymentForUpdate,
  updateDeployment as writeDeployment,
} from '../../storage/deployment/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { requireFreeLabels } from '../backend/label.ts'
import type { Change } from '../change/commit.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { record } from './record.ts'

/** Throws if an endpoint is at a new host while a secret is stored: a secret must not be sent to a host for which it was not entered. */
export function requireKnownOrigins(
  before: DeploymentDraft,
  after: DeploymentDraft,
  placeOf = (index: number) => ['input', 'endpoints', String(index), 'url'],
): void {
  if (before.secret === null) return
  const known = new Set(before.endpoints.map((endpoint) => new URL(endpoint.url).origin))
  const index = after.endpoints.findIndex((endpoint) => !known.has(new URL(endpoint.url).origin))
  if (index < 0) return
  throw refuseInput(
    'FAILED_PRECONDITION',
    placeOf(index),
    'The stored secret would be sent to a new host: give the secret too, or null to send none.',
  )
}

export async function lockDeployment(change: Change, ref: Ref): Promise<DeploymentDraft> {
  const deployment = await findDeploymentForUpdate(change.tx, change.control.box, ref)
  if (!deployment) throw refuseInput('NOT_FOUND', ['input', 'deployment'], 'There is no such deployment.')
  return deployment
}

export async function editDeployment(
  change: Change,
  ref: Ref,
  expectedRevision: number | null | undefined,
  edit: (before: DeploymentDraft) => DeploymentDraft,
): Promise<string> {
  const before = await lockDeployment(change, ref)
  requireRevision(before, expectedRevision)
  const after = edit(before)
  if (isDeepStrictEqual(before, after)) return before.id
  await writeDeployment(change.tx, change.control.box, before, after)
  record(change, before, after)
  if (before.name !== after.name)
    await requireFreeLabels(change, before.id, [{ label: after.name, path: ['input', 'name'] }])
  return before.id
}
