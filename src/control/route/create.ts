import { defaultTimeouts } from '../../routing/config/configuration.ts'
import type { ModelCategory, RouteAffinity, RouteBalancing } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import type { RouteDraft } from '../../storage/route/write.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { addRoute } from './edit.ts'
import { makeOnce } from '../change/idempotency.ts'
import { type RouteAccessInput, resolveAccess } from './access.ts'
import { type RouteFallbackInput, resolveFallback } from './fallback.ts'
import { maxDescriptionLength, requireText } from '../kit/text.ts'
import { type RouteTargetInput, type RouteTimeoutsInput, resolveTargets, mergeTimeouts } from './members.ts'

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
