import type { RouteConfiguration } from '../routing/configuration.ts'
import { maxAccessEntries } from '../routing/route-rules.ts'
import type { AccessPolicy } from '../routing/vocabulary.ts'
import { listExistingApiKeyIds, listExistingUserIds } from '../storage/access.ts'
import { type Change, commitChange } from './commit-change.ts'
import type { Actor, Answer, Control } from './control.ts'
import { editRoute, type RouteCommandInput } from './edit-route.ts'
import { refuseInput } from './refusal.ts'

export interface RouteAccessInput {
  readonly policy: AccessPolicy
  readonly userIds?: readonly string[]
  readonly apiKeyIds?: readonly string[]
}

export interface RouteAccessSetInput extends RouteCommandInput {
  readonly access: RouteAccessInput
}

/** Says who may call a route. The value is the route's id. */
export function setRouteAccess(control: Control, actor: Actor, input: RouteAccessSetInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeAccessSet', input }, (change) =>
    editRoute(change, {
      ...input,
      kind: 'ACCESS_SET',
      pathOf: (problem) => ['input', ...problem.path],
      edit: async (route) => ({ ...route, access: await resolveAccess(change, input.access, ['input', 'access']) }),
    }),
  )
}

/** The access as it is stored; omitted: any authenticated key. Throws `NOT_FOUND` at the place of an unknown id. */
export async function resolveAccess(
  change: Change,
  input: RouteAccessInput | null | undefined,
  path: readonly string[],
): Promise<RouteConfiguration['access']> {
  const { policy = 'AUTHENTICATED', userIds = [], apiKeyIds = [] } = input ?? {}
  for (const [name, ids] of [
    ['userIds', userIds],
    ['apiKeyIds', apiKeyIds],
  ] as const) {
    if (ids.length > maxAccessEntries)
      throw refuseInput('LIMIT_EXCEEDED', [...path, name], `At most ${maxAccessEntries} can be listed.`)
  }
  requireAll(userIds, await listExistingUserIds(change.tx, userIds), [...path, 'userIds'], 'user')
  requireAll(apiKeyIds, await listExistingApiKeyIds(change.tx, apiKeyIds), [...path, 'apiKeyIds'], 'API key')
  return { policy, userIds: sortedUnique(userIds), apiKeyIds: sortedUnique(apiKeyIds) }
}

function requireAll(ids: readonly string[], existing: readonly string[], path: readonly string[], what: string): void {
  const known = new Set(existing)
  const index = ids.findIndex((id) => !known.has(id))
  if (index >= 0) throw refuseInput('NOT_FOUND', [...path, String(index)], `There is no such ${what}.`)
}

/** As the database returns them, so that an identical set is seen to be identical. */
function sortedUnique(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort()
}
