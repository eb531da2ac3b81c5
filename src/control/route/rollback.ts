import { listBackendLabels } from '../../storage/backend/read.ts'
import type { RouteDraft } from '../../storage/route/write.ts'
import { findRouteRevisionState } from '../../storage/route/revision.ts'
import { type Change, commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute, type RouteCommandInput } from './edit.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'

export interface RouteRollbackInput extends RouteCommandInput {
  readonly toRevision: number
}

/**
 * Restores targets, weights, fallback and timeouts of an earlier revision as a new one; the targets get their old ids. Access
 * stays as it is. The value is the route's id.
 */
export function rollbackRoute(
  control: ControlContext,
  actor: Actor,
  input: RouteRollbackInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeRollback', input }, (change) =>
    editRoute(change, {
      ...input,
      kind: 'ROLLED_BACK',
      edit: (route) => restore(change, route, input.toRevision),
    }),
  )
}

async function restore(change: Change, route: RouteDraft, number: number): Promise<RouteDraft> {
  const path = ['input', 'toRevision']
  const state = await findRouteRevisionState(change.tx, route.id, number)
  if (!state) throw refuseInput('NOT_FOUND', path, `The route ${route.name} has no revision ${number}.`)
  const backends = [...state.targets, ...(state.fallback?.backends ?? [])]
  const existing = await listBackendLabels(
    change.tx,
    backends.map(({ backendId }) => backendId),
  )
  const gone = backends.filter(({ backendId }) => !existing.has(backendId)).map(({ backendLabel }) => backendLabel)
  if (gone.length > 0)
    throw refuseOperation(
      'FAILED_PRECONDITION',
      `Revision ${number} uses objects that were deleted: ${gone.join(', ')}.`,
      path,
    )
  return {
    ...route,
    targets: state.targets.map(({ targetId, backendId, weight }) => ({ id: targetId, backendId, weight })),
    fallback: state.fallback && {
      backendIds: state.fallback.backends.map(({ backendId }) => backendId),
      triggers: state.fallback.triggers,
      maxAttempts: state.fallback.maxAttempts,
    },
    // Members that a revision of an earlier release does not have stay as they are.
    timeouts: { ...route.timeouts, ...state.timeouts },
    affinity: state.affinity ?? route.affinity,
    balancing: state.balancing ?? route.balancing,
    rewritesModel: state.rewritesModel ?? route.rewritesModel,
  }
}
