import { type DeploymentDraft, deleteDeployment } from '../../storage/deployment/write.ts'
import { findRouteForUpdate, listRouteIdsOfBackends } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { type Change, commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { dropLimits } from '../limit/drop.ts'
import { RefusalError } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { dropRoute } from '../route/delete.ts'
import { lockDeployment } from './edit.ts'
import { record } from './record.ts'

export interface DeploymentDeleteInput extends EditInput {
  readonly deployment: Ref
}

/**
 * Removes a deployment, and the route that was created with it if that route has no other target. Refused while another route uses it.
 * The value is the deployment's id.
 */
export function removeDeployment(
  control: ControlContext,
  actor: Actor,
  input: DeploymentDeleteInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentDelete', input }, async (change) => {
    const deployment = await lockDeployment(change, input.deployment)
    requireRevision(deployment, input.expectedRevision)
    await dropOwnRoute(change, deployment)
    await dropLimits(change, [deployment.id])
    await deleteDeployment(change.tx, deployment.id)
    record(change, deployment, null)
    return deployment.id
  })
}

async function dropOwnRoute(change: Change, deployment: DeploymentDraft): Promise<void> {
  const usedByIds = await listRouteIdsOfBackends(change.tx, [deployment.id], 20)
  const [onlyId] = usedByIds
  if (onlyId === undefined) return
  const route = usedByIds.length === 1 ? await findRouteForUpdate(change.tx, { id: onlyId }) : undefined
  const isItsOwn = route?.createdWithId === deployment.id && route.targets.every((t) => t.backendId === deployment.id)
  if (route && isItsOwn) return dropRoute(change, route)
  throw new RefusalError({
    kind: 'inUse',
    code: 'IN_USE',
    path: ['input', 'deployment'],
    message: `Routes use the deployment ${deployment.name}: replace or remove their targets first.`,
    usedByIds,
  })
}
