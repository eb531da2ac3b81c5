import { lockRoutes, type Ref, type RouteDraft } from '../storage/route.ts'
import { type Change, type ChangeInput, commitChange } from './commit-change.ts'
import type { Actor, Answer, Control } from './control.ts'
import { editRoute, type RouteCommandInput } from './edit-route.ts'
import { refuseInput } from './refusal.ts'
import { requireTarget, type TargetRef } from './route-targets.ts'

/** Most routes that one call switches. */
export const maxBulkChanges = 100

export interface TargetWeightInput {
  readonly target: TargetRef
  readonly weight: number
}

export interface RouteTrafficSetInput extends RouteCommandInput {
  readonly weights: readonly TargetWeightInput[]
}

/** Sets all weights of a route at once; targets that are not listed get 0. The value is the route's id. */
export function setRouteTraffic(control: Control, actor: Actor, input: RouteTrafficSetInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeTrafficSet', input }, (change) =>
    setWeights(change, input, ['input']),
  )
}

export interface RouteTrafficBulkSetInput extends ChangeInput {
  readonly changes: readonly {
    readonly route: Ref
    readonly expectedRevision?: number | null | undefined
    readonly weights: readonly TargetWeightInput[]
  }[]
}

/** Switches many routes in one transaction, all or none. The value is the routes' ids, in the order of the changes. */
export function setRouteTrafficBulk(
  control: Control,
  actor: Actor,
  input: RouteTrafficBulkSetInput,
): Promise<Answer<readonly string[]>> {
  return commitChange(control, { actor, action: 'routeTrafficBulkSet', input }, async (change) => {
    if (input.changes.length === 0 || input.changes.length > maxBulkChanges)
      throw refuseInput('LIMIT_EXCEEDED', ['input', 'changes'], `One call switches 1 to ${maxBulkChanges} routes.`)
    const locked = await lockRoutes(
      change.tx,
      input.changes.map(({ route }) => route),
    )
    // Before anything is changed: the second change of a route would find the revision that the first one made.
    requireNoneTwice(input.changes, locked)
    const routeIds: string[] = []
    for (const [index, one] of input.changes.entries())
      routeIds.push(await setWeights(change, one, ['input', 'changes', String(index)]))
    return routeIds
  })
}

function requireNoneTwice(
  changes: readonly { readonly route: Ref }[],
  routes: readonly { readonly id: string; readonly name: string }[],
): void {
  const idsByName = new Map(routes.map(({ id, name }) => [name, id]))
  const seen = new Set<string | undefined>()
  for (const [index, { route }] of changes.entries()) {
    const id = 'id' in route ? route.id : idsByName.get(route.name)
    // One that does not exist is refused in its turn.
    if (id !== undefined && seen.has(id))
      throw refuseInput('INVALID', ['input', 'changes', String(index), 'route'], 'The route is listed twice.')
    seen.add(id)
  }
}

function setWeights(change: Change, input: RouteTrafficSetInput, path: readonly string[]): Promise<string> {
  // Where each target stands in the caller's list.
  const places = new Map<string, number>()
  return editRoute(change, {
    ...input,
    kind: 'TRAFFIC_SET',
    path,
    pathOf: (problem, after) => [...path, ...placeInWeights(problem.path, after, places)],
    edit: async (route) => {
      const weights = new Map<string, number>()
      for (const [index, { target: ref, weight }] of input.weights.entries()) {
        const at = [...path, 'weights', String(index), 'target']
        const target = await requireTarget(change, route, ref, at)
        if (weights.has(target.id)) throw refuseInput('INVALID', at, 'The target is listed twice.')
        weights.set(target.id, weight)
        places.set(target.id, index)
      }
      return { ...route, targets: route.targets.map((target) => ({ ...target, weight: weights.get(target.id) ?? 0 })) }
    },
  })
}

function placeInWeights(
  problemPath: readonly string[],
  route: RouteDraft,
  places: ReadonlyMap<string, number>,
): readonly string[] {
  const [member, index] = problemPath
  if (member !== 'targets') return problemPath
  const place = index === undefined ? undefined : places.get(route.targets[Number(index)]!.id)
  return place === undefined ? ['weights'] : ['weights', String(place), 'weight']
}
