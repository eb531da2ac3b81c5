import type { RouteConfiguration } from '../../routing/config/configuration.ts'
import { defaultHealthCheck } from '../../routing/vendors/engine.ts'
import { isRouteName, routeNameRule } from '../../routing/config/route-rules.ts'
import type { DeploymentEngine, LoadBalancing, ModelCategory } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import { type DeploymentDraft, insertDeployment } from '../../storage/deployment/write.ts'
import { requireFreeLabels } from '../backend/label.ts'
import { collectMembers, FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { type EndpointInput, resolveEndpoints } from './endpoints.ts'
import { addRoute } from '../route/edit.ts'
import { type HealthCheckInput, resolveHealthCheck } from '../backend/health-check.ts'
import { makeOnce } from '../change/idempotency.ts'
import { type CapabilitiesInput, resolveCapabilities } from '../backend/capabilities.ts'
import { type PricingInput, resolvePricing } from '../backend/pricing.ts'
import { refuseInput } from '../kit/refusal.ts'
import { type PassthroughRulesInput, resolvePassthroughRules } from '../backend/request-rules.ts'
import { defaultWeight } from '../route/members.ts'
import { newRoute } from '../route/create.ts'
import { type RouteAccessInput, resolveAccess } from '../route/access.ts'
import { hintOf } from '../kit/secret.ts'
import { maxDescriptionLength, requireName, requireText, requireUpstreamModel } from '../kit/text.ts'
import { type CheckInput, checkDeployment } from './check.ts'
import { type DeploymentQueueInput, requireCategories, requireQueue, resolveSecret } from './members.ts'
import { record } from './record.ts'

export interface DeploymentCreateInput extends CreateInput, CapabilitiesInput, PassthroughRulesInput, CheckInput {
  readonly name: string
  readonly description?: string
  readonly engine?: DeploymentEngine
  /** Omitted: the deployment's name. */
  readonly upstreamModel?: string | null | undefined
  readonly categories?: readonly ModelCategory[]
  readonly pricing?: PricingInput | null | undefined
  readonly endpoints: readonly EndpointInput[]
  readonly loadBalancing?: LoadBalancing
  /** Omitted: the default check of the engine; null: no check. */
  readonly healthCheck?: HealthCheckInput | null | undefined
  readonly queue?: DeploymentQueueInput | null | undefined
  readonly secret?: string | null | undefined
  /** Whether to create a route of the same name; true by default. */
  readonly enableModelRoute?: boolean
  readonly routeAccess?: RouteAccessInput | null | undefined
}

export interface DeploymentAndRoute {
  readonly deploymentId: string
  /** The route that was created with it; null if none was. */
  readonly routeId: string | null
}

/** Makes a deployment and, unless switched off, a route of the same name, in one transaction. */
export async function createDeployment(
  control: ControlContext,
  actor: Actor,
  input: DeploymentCreateInput,
): Promise<Answer<DeploymentAndRoute>> {
  const { check = false, ...made } = input
  const answer = await commitChange(control, { actor, action: 'deploymentCreate', input: made }, (change) =>
    makeOnce(change, made, 'deploymentId', async () => {
      const { draft, access } = await draftWithRoute(change, input)
      await insertDeployment(change.tx, control.box, draft)
      record(change, null, draft)
      const routeId = access ? await addRouteFor(change, draft, access) : null
      await requireFreeLabels(change, draft.id, [{ label: draft.name, path: ['input', 'name'] }])
      return { deploymentId: draft.id, routeId }
    }),
  )
  if (answer.ok && check) await checkDeployment(control, answer.value.deploymentId)
  return answer
}

function draftDeployment(control: ControlContext, input: DeploymentCreateInput): DeploymentDraft {
  const engine = input.engine ?? 'OTHER'
  const { abilities, passage, ...members } = collectMembers({
    name: () => requireName(input.name, ['input', 'name']),
    description: () => requireText(input.description ?? '', ['input', 'description'], maxDescriptionLength),
    upstreamModel: () => requireUpstreamModel(input.upstreamModel ?? input.name, ['input', 'upstreamModel']),
    categories: () => requireCategories(input.categories ?? ['LLM']),
    pricing: () => resolvePricing(input.pricing, ['input', 'pricing']),
    abilities: () => resolveCapabilities(input, undefined, ['input']),
    passage: () => resolvePassthroughRules(input),
    healthCheck: () =>
      input.healthCheck === undefined
        ? defaultHealthCheck(engine)
        : resolveHealthCheck(input.healthCheck, engine, ['input', 'healthCheck']),
    queue: () => requireQueue(input.queue ?? { maxWaiting: 0, maxWaitMs: 0 }),
    secret: () => resolveSecret(input.secret ?? null),
    endpoints: () => resolveEndpoints(input.endpoints, [], ['input', 'endpoints'], control.upstreams),
  })
  return {
    id: createId('Deployment'),
    revision: 1,
    engine,
    state: 'ACTIVE',
    loadBalancing: input.loadBalancing ?? 'LEAST_IN_FLIGHT',
    ...members,
    ...abilities,
    ...passage,
    secretHint: members.secret === null ? null : hintOf(members.secret),
  }
}

/** `access` is that of the route to create; null: no route is created. Throws the faults of deployment and route at once. */
async function draftWithRoute(
  change: Change,
  input: DeploymentCreateInput,
): Promise<{ draft: DeploymentDraft; access: RouteConfiguration['access'] | null }> {
  const faults = new FaultCollector()
  const draft = faults.attempt(() => draftDeployment(change.control, input))
  if (!(input.enableModelRoute ?? true)) {
    faults.throwAny()
    return { draft: draft!, access: null }
  }
  const access = await faults.attemptAsync(() =>
    resolveAccess(change, input.routeAccess, ['input', 'routeAccess'], faults),
  )
  // Only the name of the route can be wrong: its one target is the deployment, and all other members have defaults.
  if (!isRouteName(input.name)) faults.add(refuseInput('INVALID', ['input', 'name'], routeNameRule))
  faults.throwAny()
  return { draft: draft!, access: access! }
}

async function addRouteFor(
  change: Change,
  draft: DeploymentDraft,
  access: RouteConfiguration['access'],
): Promise<string> {
  const route = {
    ...newRoute(draft.name),
    categories: draft.categories,
    targets: [{ id: createId('RouteTarget'), backendId: draft.id, weight: defaultWeight }],
    access,
    createdWithId: draft.id,
  }
  await addRoute(change, route, ({ path: [member, ...rest] }) =>
    member === 'access' ? ['input', 'routeAccess', ...rest] : ['input', 'name'],
  )
  return route.id
}
