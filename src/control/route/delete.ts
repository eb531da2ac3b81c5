import { lockApiKeysOfRoute, unbindApiKeys } from '../../storage/api-key/write.ts'
import { deleteRoute, type RouteDraft } from '../../storage/route/write.ts'
import { recordApiKey } from '../api-key/record.ts'
import { auditChanges } from '../change/audit.ts'
import { type Change, commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { auditedMembers, lockRoute, type RouteCommandInput } from './edit.ts'
import { dropLimits } from '../limit/drop.ts'
import { requireRevision } from '../change/require-revision.ts'

/** Removes a route; its history, usage and log stay. The value is its id. */
export function removeRoute(control: ControlContext, actor: Actor, input: RouteCommandInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeDelete', input }, async (change) => {
    const route = await lockRoute(change, input.route, ['input', 'route'])
    requireRevision(route, input.expectedRevision)
    await dropRoute(change, route)
    return route.id
  })
}

/** Deletes a locked route within a change. */
export async function dropRoute(change: Change, route: RouteDraft): Promise<void> {
  const apiKeys = await lockApiKeysOfRoute(change.tx, route.id)
  await unbindApiKeys(
    change.tx,
    route.id,
    apiKeys.map((apiKey) => apiKey.id),
  )
  for (const before of apiKeys)
    recordApiKey(change, before, {
      ...before,
      routeIds: before.routeIds && before.routeIds.filter((id) => id !== route.id),
    })
  await dropLimits(change, [route.id])
  await deleteRoute(change.tx, route.id)
  change.audit(route.id, auditChanges(auditedMembers(route), null))
  change.touch(route.id)
}
