import type { LoadBalancing, ModelCategory, ServingState } from '../../routing/config/vocabulary.ts'
import type { DeploymentDraft } from '../../storage/deployment/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { type EndpointInput, resolveEndpoints } from './endpoints.ts'
import { type HealthCheckInput, resolveHealthCheck } from '../backend/health-check.ts'
import { type CapabilitiesInput, resolveCapabilities } from '../backend/capabilities.ts'
import { type PricingInput, resolvePricing } from '../backend/pricing.ts'
import { type PassthroughRulesInput, resolvePassthroughRules } from '../backend/request-rules.ts'
import { hintOf } from '../kit/secret.ts'
import { maxDescriptionLength, requireName, requireText, requireUpstreamModel } from '../kit/text.ts'
import { type CheckInput, checkDeployment } from './check.ts'
import { type DeploymentQueueInput, requireCategories, requireQueue, resolveSecret } from './members.ts'
import { editDeployment, requireKnownOrigins } from './edit.ts'

export interface DeploymentUpdateInput extends EditInput, CapabilitiesInput, PassthroughRulesInput, CheckInput {
  readonly deployment: Ref
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly upstreamModel?: string | null | undefined
  readonly categories?: readonly ModelCategory[] | null | undefined
  /** Null: unknown. */
  readonly pricing?: PricingInput | null | undefined
  readonly state?: ServingState | null | undefined
  readonly loadBalancing?: LoadBalancing | null | undefined
  /** Null: none. */
  readonly healthCheck?: HealthCheckInput | null | undefined
  readonly queue?: DeploymentQueueInput | null | undefined
  /** Null: none. */
  readonly secret?: string | null | undefined
  /** The whole new list; an endpoint whose URL was there before keeps its id. */
  readonly endpoints?: readonly EndpointInput[] | null | undefined
}

/** Changes the given members; omitted members stay. The value is the deployment's id. */
export async function updateDeployment(
  control: ControlContext,
  actor: Actor,
  input: DeploymentUpdateInput,
): Promise<Answer<string>> {
  const answer = await commitChange(control, { actor, action: 'deploymentUpdate', input }, (change) =>
    editDeployment(change, input.deployment, input.expectedRevision, (before) => {
      const after = withUpdates(control, before, input)
      if (input.secret === undefined) requireKnownOrigins(before, after)
      return after
    }),
  )
  if (answer.ok && input.check) await checkDeployment(control, answer.value)
  return answer
}

function withUpdates(control: ControlContext, before: DeploymentDraft, input: DeploymentUpdateInput): DeploymentDraft {
  const { abilities, passage, ...members } = collectMembers({
    name: () => (input.name == null ? before.name : requireName(input.name, ['input', 'name'])),
    description: () =>
      requireText(input.description ?? before.description, ['input', 'description'], maxDescriptionLength),
    upstreamModel: () => requireUpstreamModel(input.upstreamModel ?? before.upstreamModel, ['input', 'upstreamModel']),
    categories: () => requireCategories(input.categories ?? before.categories),
    pricing: () => (input.pricing === undefined ? before.pricing : resolvePricing(input.pricing, ['input', 'pricing'])),
    abilities: () => resolveCapabilities(input, before, ['input']),
    passage: () => resolvePassthroughRules(input, before),
    healthCheck: () =>
      input.healthCheck === undefined
        ? before.healthCheck
        : resolveHealthCheck(input.healthCheck, before.engine, ['input', 'healthCheck']),
    queue: () => requireQueue(input.queue ?? before.queue),
    secret: () => (input.secret === undefined ? before.secret : resolveSecret(input.secret)),
    endpoints: () =>
      input.endpoints
        ? resolveEndpoints(input.endpoints, before.endpoints, ['input', 'endpoints'], control.upstreams)
        : before.endpoints,
  })
  return {
    ...before,
    state: input.state ?? before.state,
    loadBalancing: input.loadBalancing ?? before.loadBalancing,
    ...members,
    ...abilities,
    ...passage,
    secretHint: members.secret === null ? null : hintOf(members.secret),
  }
}
