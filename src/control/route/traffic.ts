import { isDeepStrictEqual } from 'node:util'
import { lockRoutes, type RouteDraft, updateWeights } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { collectEach } from '../kit/collect-faults.ts'
import { type Change, type ChangeInput, commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { labelsOf, record, requireSound, type RouteCommandInput } from './edit.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { requireTargetAmong, type TargetRef } from './targets.ts'

/** Most routes in one bulk call. */
export const maxBulkChanges = 100

export interface TargetWeightInput {
  readonly target: TargetRef
  readonly weight: number
}

export interface RouteTrafficSetInput extends RouteCommandInput {
  readonly weights: readonly TargetWeightInput[]
}

/** Sets all weights of a route at once; targets that are not listed get 0. The value is the route's id. */
export function setRouteTraffic(
  control: ControlContext,
  actor: Actor,
  input: RouteTrafficSetInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeTrafficSet', input }, async (change) => {
    const [id] = await setWeights(change, [{ ...input, path: ['input'] }])
    return id!
  })
}

export interface RouteTrafficBulkSetInput extends ChangeInput {
  readonly changes: readonly {
    readonly route: Ref
    readonly expectedRevision?: number | null | undefined
    readonly weights: readonly TargetWeightInput[]
  }[]
}

/** Sets the weights of several routes in one transaction, all or none. The value is the routes' ids, in the order of the changes. */
export function setRouteTrafficBulk(
  control: ControlContext,
  actor: Actor,
  input: RouteTrafficBulkSetInput,
): Promise<Answer<readonly string[]>> {
  return commitChange(control, { actor, action: 'routeTrafficBulkSet', input }, async (change) => {
    if (input.changes.length === 0 || input.changes.length > maxBulkChanges)
      throw refuseInput('LIMIT_EXCEEDED', ['input', 'changes'], `One call switches 1 to ${maxBulkChanges} routes.`)
    return setWeights(
      change,
      input.changes.map((one, index) => ({ ...one, path: ['input', 'changes', String(index)] })),
    )
  })
}

/** The weights of one route, and their path in the arguments. */
interface WeightsChange {
  readonly route: Ref
  readonly expectedRevision?: number | null | undefined
  readonly weights: readonly TargetWeightInput[]
  readonly path: readonly string[]
}

/**
 * Sets the weights with a number of statements that does not depend on the number of routes. Returns the routes' ids in the order of
 * the changes.
 */
async function setWeights(change: Change, changes: readonly WeightsChange[]): Promise<string[]> {
  const routes = await lockRoutes(
    change.tx,
    changes.map(({ route }) => route),
  )
  const switches = pairOf(changes, routes)
  const labels = await labelsOf(change, routes)
  const changed: { readonly before: RouteDraft; readonly after: RouteDraft }[] = []
  for (const { one, before } of switches) {
    requireRevision(before, one.expectedRevision, one.path)
    const after = withWeights(before, one, labels)
    if (!isDeepStrictEqual(before, after)) changed.push({ before, after })
  }
  if (changed.length > 0) {
    const revisions = await updateWeights(
      change.tx,
      changed.map(({ after }) => after),
    )
    for (const { before, after } of changed)
      record(change, 'TRAFFIC_SET', before, { ...after, revision: revisions.get(after.id)! }, labels)
  }
  return switches.map(({ before }) => before.id)
}

/** Each change with its route. Throws if there is none, or if another change has the same. */
function pairOf(
  changes: readonly WeightsChange[],
  routes: readonly RouteDraft[],
): { readonly one: WeightsChange; readonly before: RouteDraft }[] {
  const seen = new Set<string>()
  return collectEach(changes, (one) => {
    const { route: ref } = one
    const path = [...one.path, 'route']
    const before = routes.find(({ id, name }) => ('id' in ref ? id === ref.id : name === ref.name.normalize('NFC')))
    if (!before) throw refuseInput('NOT_FOUND', path, 'There is no such route.')
    if (seen.has(before.id)) throw refuseInput('INVALID', path, 'The route is listed twice.')
    seen.add(before.id)
    return { one, before }
  })
}

function withWeights(
  route: RouteDraft,
  { weights: given, path }: WeightsChange,
  labels: ReadonlyMap<string, string>,
): RouteDraft {
  const weights = new Map<string, number>()
  // Where each target stands in the caller's list.
  const places = new Map<string, number>()
  collectEach(given, ({ target: ref, weight }, index) => {
    const at = [...path, 'weights', String(index), 'target']
    const target = requireTargetAmong(labels, route, ref, at)
    if (weights.has(target.id)) throw refuseInput('INVALID', at, 'The target is listed twice.')
    weights.set(target.id, weight)
    places.set(target.id, index)
  })
  const after = {
    ...route,
    targets: route.targets.map((target) => ({ ...target, weight: weights.get(target.id) ?? 0 })),
  }
  requireSound(after, (problem) => [...path, ...placeInWeights(problem.path, after, places)])
  return after
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
