import { defaultTimeouts, type RouteConfiguration, type Timeouts } from '../../routing/config/configuration.ts'
import type { ModelCategory, RouteAffinity, RouteBalancing, ServingState } from '../../routing/config/vocabulary.ts'
import type { BackendRef } from '../../storage/backend/read.ts'
import { createId } from '../../storage/database/create-id.ts'
import { lockApiKeysOfRoute, unbindApiKeys } from '../../storage/api-key/write.ts'
import { deleteRoute, type RouteDraft } from '../../storage/route/write.ts'
import { recordApiKey } from '../api-key/create.ts'
import { auditChanges } from '../change/audit.ts'
import { requireBackendIdOr } from '../backend/require-backend.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { addRoute, auditedMembers, editRoute, lockRoute, type RouteCommandInput } from './edit.ts'
import { dropLimits } from '../limit/drop.ts'
import { makeOnce } from '../change/idempotency.ts'
import { requireRevision } from '../change/require-revision.ts'
import { type RouteAccessInput, resolveAccess } from './access.ts'
import { type RouteFallbackInput, resolveFallback } from './fallback.ts'
import { maxDescriptionLength, requireText } from '../kit/text.ts'

/** Weight of a target of which nothing is said. */
export const defaultWeight = 100

export interface RouteTargetInput {
  readonly backend: BackendRef
  readonly weight?: number
}

/** Omitted or null members stay, or take their default; `keepAliveMs` null: none. */
export type RouteTimeoutsInput = { readonly [Name in keyof Timeouts]?: number | null | undefined }

export interface RouteCreateInput extends CreateInput {
  readonly name: string
  readonly description?: string
  readonly categories?: readonly ModelCategory[]
  readonly targets: readonly RouteTargetInput[]
  readonly fallback?: RouteFallbackInput | null | undefined
  readonly timeouts?: RouteTimeoutsInput | null | undefined
  readonly access?: RouteAccessInput | null | undefined
  readonly affinity?: RouteAffinity
  readonly balancing?: RouteBalancing
  readonly rewritesModel?: boolean
}

/** Makes a route. The value is its id. */
export function createRoute(control: ControlContext, actor: Actor, input: RouteCreateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeCreate', input }, async (change) => {
    const { routeId } = await makeOnce(change, input, 'routeId', async () => {
      const faults = new FaultCollector()
      const draft = await draftRoute(change, input, faults)
      await addRoute(change, draft, undefined, faults)
      return { routeId: draft.id }
    })
    return routeId
  })
}

async function draftRoute(change: Change, input: RouteCreateInput, faults: FaultCollector): Promise<RouteDraft> {
  faults.attempt(() => requireText(input.description ?? '', ['input', 'description'], maxDescriptionLength))
  return {
    ...newRoute(input.name),
    description: input.description ?? '',
    categories: input.categories ?? ['LLM'],
    targets: await resolveTargets(change, input.targets, ['input', 'targets'], faults),
    fallback: input.fallback ? await resolveFallback(change, input.fallback, ['input', 'fallback'], faults) : null,
    timeouts: mergeTimeouts(defaultTimeouts, input.timeouts),
    affinity: input.affinity ?? 'NONE',
    balancing: input.balancing ?? 'WEIGHTED',
    rewritesModel: input.rewritesModel ?? false,
    access: await resolveAccess(change, input.access, ['input', 'access'], faults),
  }
}

/** A route without targets, with everything at its default. */
export function newRoute(name: string): RouteDraft {
  return {
    id: createId('Route'),
    name,
    description: '',
    revision: 0,
    createdAtMs: 0,
    state: 'ACTIVE',
    categories: ['LLM'],
    targets: [],
    fallback: null,
    timeouts: defaultTimeouts,
    affinity: 'NONE',
    balancing: 'WEIGHTED',
    rewritesModel: false,
    access: { policy: 'AUTHENTICATED', userIds: [], apiKeyIds: [] },
    createdWithId: null,
  }
}

/** New targets as the caller lists them; backends that do not exist are faults. */
export async function resolveTargets(
  change: Change,
  inputs: readonly RouteTargetInput[],
  path: readonly string[],
  faults: FaultCollector,
): Promise<RouteConfiguration['targets']> {
  const targets = []
  for (const [index, input] of inputs.entries()) {
    const backendId = await requireBackendIdOr(faults, change, input.backend, [...path, String(index), 'backend'])
    targets.push({ id: createId('RouteTarget'), backendId, weight: input.weight ?? defaultWeight })
  }
  return targets
}

function mergeTimeouts(base: Timeouts, input: RouteTimeoutsInput | null | undefined): Timeouts {
  return {
    connectMs: input?.connectMs ?? base.connectMs,
    firstByteMs: input?.firstByteMs ?? base.firstByteMs,
    answerMs: input?.answerMs ?? base.answerMs,
    idleMs: input?.idleMs ?? base.idleMs,
    totalMs: input?.totalMs ?? base.totalMs,
    keepAliveMs: input?.keepAliveMs === undefined ? base.keepAliveMs : input.keepAliveMs,
  }
}

export interface RouteUpdateInput extends RouteCommandInput {
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly categories?: readonly ModelCategory[] | null | undefined
  readonly state?: ServingState | null | undefined
  readonly timeouts?: RouteTimeoutsInput | null | undefined
  readonly affinity?: RouteAffinity | null | undefined
  readonly balancing?: RouteBalancing | null | undefined
  readonly rewritesModel?: boolean | null | undefined
}

/** Changes what is given; omitted and null members stay. The value is the route's id. */
export function updateRoute(control: ControlContext, actor: Actor, input: RouteUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeUpdate', input }, (change) => {
    return editRoute(change, {
      ...input,
      kind: 'UPDATED',
      edit(route, faults) {
        faults.attempt(() => requireText(input.description ?? '', ['input', 'description'], maxDescriptionLength))
        return {
          ...route,
          name: input.name ?? route.name,
          description: input.description ?? route.description,
          categories: input.categories ?? route.categories,
          state: input.state ?? route.state,
          timeouts: mergeTimeouts(route.timeouts, input.timeouts),
          affinity: input.affinity ?? route.affinity,
          balancing: input.balancing ?? route.balancing,
          rewritesModel: input.rewritesModel ?? route.rewritesModel,
        }
      },
    })
  })
}

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
