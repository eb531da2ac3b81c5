import { createId } from '../../storage/database/create-id.ts'
import type { BackendRef } from '../../storage/backend/read.ts'
import type { RouteDraft } from '../../storage/route/write.ts'
import { requireBackendId } from '../backend/require-backend.ts'
import { type Change, commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute, labelsOf, type RouteCommandInput } from './edit.ts'
import { refuseInput } from '../kit/refusal.ts'
import { resolveTargets, type RouteTargetInput } from './members.ts'

/** A target of a route: by its id, or by its backend. */
export type TargetRef = BackendRef

/** A route and the target in question, by their ids. */
export interface RouteAndTarget {
  readonly routeId: string
  readonly targetId: string
}

export interface RouteTargetsSetInput extends RouteCommandInput {
  readonly targets: readonly RouteTargetInput[]
}

/** Replaces the list of targets. A target whose backend was listed before keeps its id. The value is the route's id. */
export function setRouteTargets(
  control: ControlContext,
  actor: Actor,
  input: RouteTargetsSetInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeTargetsSet', input }, (change) => {
    // Paths of faults refer to the caller's list; the stored list has another order.
    let listed: RouteDraft['targets'] = []
    return editRoute(change, {
      ...input,
      kind: 'TARGETS_CHANGED',
      pathOf: ({ path }, after) => ['input', ...placeInList(path, after, listed)],
      edit: async (route, faults) => {
        const idsByBackend = new Map(route.targets.map((target) => [target.backendId, target.id]))
        const resolved = await resolveTargets(change, input.targets, ['input', 'targets'], faults)
        faults.attempt(() => requireNoneTwice(resolved))
        listed = resolved.map((target) => ({ ...target, id: idsByBackend.get(target.backendId) ?? target.id }))
        return { ...route, targets: inOrderOfCreation(listed) }
      },
    })
  })
}

function placeInList(path: readonly string[], stored: RouteDraft, listed: RouteDraft['targets']): readonly string[] {
  const [member, index, ...rest] = path
  if (member === 'fallback') {
    // The fallback is unchanged, so a fault in it means that one of its backends is now also a target.
    const backendId = stored.fallback?.backendIds[Number(rest[0])]
    return ['targets', String(listed.findIndex((target) => target.backendId === backendId)), 'backend']
  }
  if (member !== 'targets' || index === undefined) return path
  return ['targets', String(listed.indexOf(stored.targets[Number(index)]!)), ...rest]
}

function requireNoneTwice(targets: RouteDraft['targets']): void {
  const index = targets.findIndex(({ backendId }, i) => targets.findIndex((other) => other.backendId === backendId) < i)
  if (index >= 0)
    throw refuseInput('INVALID', ['input', 'targets', String(index), 'backend'], 'The backend is listed twice.')
}

/** Ids sort in the order in which they were made. */
function inOrderOfCreation(targets: RouteDraft['targets']): RouteDraft['targets'] {
  return targets.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

export interface RouteTargetAddInput extends RouteCommandInput {
  readonly target: RouteTargetInput
}

/** Adds a target. */
export async function addRouteTarget(
  control: ControlContext,
  actor: Actor,
  input: RouteTargetAddInput,
): Promise<Answer<RouteAndTarget>> {
  return commitChange(control, { actor, action: 'routeTargetAdd', input }, async (change) => {
    let targetId = ''
    const routeId = await editRoute(change, {
      ...input,
      kind: 'TARGETS_CHANGED',
      // Only the new target, which is the last one, can be at fault.
      pathOf: ({ path }) => ['input', 'target', ...(path[0] === 'targets' ? path.slice(2) : ['backend'])],
      edit: async (route) => {
        const backendId = await requireBackendId(change, input.target.backend, ['input', 'target', 'backend'])
        targetId = createId('RouteTarget')
        return {
          ...route,
          targets: [...route.targets, { id: targetId, backendId, weight: input.target.weight ?? 100 }],
        }
      },
    })
    return { routeId, targetId }
  })
}

export interface RouteTargetReplaceInput extends RouteCommandInput {
  readonly target: TargetRef
  readonly backend: BackendRef
}

/** Replaces a target by a new target with another backend and the same weight. The same backend again changes nothing. */
export async function replaceRouteTarget(
  control: ControlContext,
  actor: Actor,
  input: RouteTargetReplaceInput,
): Promise<Answer<RouteAndTarget>> {
  return commitChange(control, { actor, action: 'routeTargetReplace', input }, async (change) => {
    let targetId = ''
    const routeId = await editRoute(change, {
      ...input,
      kind: 'TARGETS_CHANGED',
      pathOf: ({ path }) =>
        path[0] === 'targets' || path[0] === 'fallback' ? ['input', 'backend'] : ['input', ...path],
      edit: async (route) => {
        const old = await requireTarget(change, route, input.target, ['input', 'target'])
        const backendId = await requireBackendId(change, input.backend, ['input', 'backend'])
        targetId = old.backendId === backendId ? old.id : createId('RouteTarget')
        const others = route.targets.filter((target) => target !== old)
        return { ...route, targets: inOrderOfCreation([...others, { id: targetId, backendId, weight: old.weight }]) }
      },
    })
    return { routeId, targetId }
  })
}

export interface RouteTargetRemoveInput extends RouteCommandInput {
  readonly target: TargetRef
}

/** Removes a target; refused if no weight above 0 would be left. The value is the route's id. */
export function removeRouteTarget(
  control: ControlContext,
  actor: Actor,
  input: RouteTargetRemoveInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeTargetRemove', input }, (change) =>
    editRoute(change, {
      ...input,
      kind: 'TARGETS_CHANGED',
      pathOf: ({ path }) => (path[0] === 'targets' ? ['input', 'target'] : ['input', ...path]),
      edit: async (route) => {
        const gone = await requireTarget(change, route, input.target, ['input', 'target'])
        return { ...route, targets: route.targets.filter((target) => target !== gone) }
      },
    }),
  )
}

/** The target that the caller names. Throws `NOT_FOUND` at `path`. */
export async function requireTarget(
  change: Change,
  route: RouteDraft,
  ref: TargetRef,
  path: readonly string[],
): Promise<RouteDraft['targets'][number]> {
  return requireTargetAmong(await labelsOf(change, [route]), route, ref, path)
}

/** Like `requireTarget`, with the known labels of the route's backends. */
export function requireTargetAmong(
  labels: ReadonlyMap<string, string>,
  route: RouteDraft,
  ref: TargetRef,
  path: readonly string[],
): RouteDraft['targets'][number] {
  const target = route.targets.find(({ id, backendId }) =>
    'id' in ref ? id === ref.id || backendId === ref.id : labels.get(backendId) === labelOf(ref),
  )
  if (!target) throw refuseInput('NOT_FOUND', path, `The route ${route.name} has no such target.`)
  return target
}

/** The label of the backend that the reference names. Labels are unique. */
function labelOf(ref: Exclude<TargetRef, { readonly id: string }>): string {
  if ('deployment' in ref) return ref.deployment.normalize('NFC')
  return `${ref.providerModel.provider.normalize('NFC')}/${ref.providerModel.model}`
}
