import type { RouteConfiguration } from '../../routing/config/configuration.ts'
import { maxAccessEntries } from '../../routing/config/route-rules.ts'
import type { AccessPolicy } from '../../routing/config/vocabulary.ts'
import { listExistingApiKeyIds, listExistingUserIds } from '../../storage/database/existing-ids.ts'
import type { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute, type RouteCommandInput } from './edit.ts'
import { refuseInput } from '../kit/refusal.ts'

export interface RouteAccessInput {
  readonly policy: AccessPolicy
  readonly userIds?: readonly string[]
  readonly apiKeyIds?: readonly string[]
}

export interface RouteAccessSetInput extends RouteCommandInput {
  readonly access: RouteAccessInput
}

/** Sets who may call a route. The value is the route's id. */
export function setRouteAccess(
  control: ControlContext,
  actor: Actor,
  input: RouteAccessSetInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeAccessSet', input }, (change) =>
    editRoute(change, {
      ...input,
      kind: 'ACCESS_SET',
      pathOf: (problem) => ['input', ...problem.path],
      edit: async (route, faults) => ({
        ...route,
        access: await resolveAccess(change, input.access, ['input', 'access'], faults),
      }),
    }),
  )
}

/** The stored form of the access; if omitted, any authenticated key. Unknown ids are faults. */
export async function resolveAccess(
  change: Change,
  input: RouteAccessInput | null | undefined,
  path: readonly string[],
  faults: FaultCollector,
): Promise<RouteConfiguration['access']> {
  const { policy = 'AUTHENTICATED', userIds = [], apiKeyIds = [] } = input ?? {}
  for (const [name, ids] of [
    ['userIds', userIds],
    ['apiKeyIds', apiKeyIds],
  ] as const) {
    if (ids.length > maxAccessEntries)
      throw refuseInput('LIMIT_EXCEEDED', [...path, name], `At most ${maxAccessEntries} can be listed.`)
  }
  const requireAll = (name: string, ids: readonly string[], existing: readonly string[], what: string) => {
    const known = new Set(existing)
    for (const [index, id] of ids.entries())
      if (!known.has(id))
        faults.add(refuseInput('NOT_FOUND', [...path, name, String(index)], `There is no such ${what}.`))
  }
  requireAll('userIds', userIds, await listExistingUserIds(change.tx, userIds), 'user')
  requireAll('apiKeyIds', apiKeyIds, await listExistingApiKeyIds(change.tx, apiKeyIds), 'API key')
  return { policy, userIds: sortedUnique(userIds), apiKeyIds: sortedUnique(apiKeyIds) }
}

/** The ids, sorted as the database returns them, so that equal sets compare equal. */
function sortedUnique(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort()
}
