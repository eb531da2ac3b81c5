import { isDeepStrictEqual } from 'node:util'
import type { EndpointConfiguration, RouteConfiguration } from '../../routing/config/configuration.ts'
import { defaultHealthCheck } from '../../routing/vendors/engine.ts'
import { isRouteName, routeNameRule } from '../../routing/config/route-rules.ts'
import type { DeploymentEngine, LoadBalancing, ModelCategory, ServingState } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import {
  type DeploymentDraft,
  deleteDeployment,
  findDeploymentForUpdate,
  findDeploymentIdOfEndpoint,
  insertDeployment,
  updateDeployment as writeDeployment,
} from '../../storage/deployment/write.ts'
import { saveDeploymentProbe } from '../../storage/deployment/probe.ts'
import { findRouteForUpdate, listRouteIdsOfBackends } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { auditChanges } from '../change/audit.ts'
import { requireFreeLabels } from '../backend/label.ts'
import { collectMembers, FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import {
  type EndpointChange,
  type EndpointInput,
  requireFewEndpoints,
  resolveEndpoints,
  updatedEndpoint,
} from './endpoints.ts'
import { addRoute } from '../route/edit.ts'
import { probeEndpoints } from './probe.ts'
import { type HealthCheckInput, resolveHealthCheck } from '../backend/health-check.ts'
import { dropLimits } from '../limit/drop.ts'
import { makeOnce } from '../change/idempotency.ts'
import { type CapabilitiesInput, resolveCapabilities } from '../backend/capabilities.ts'
import { type PricingInput, resolvePricing } from '../backend/pricing.ts'
import { refuseInput, RefusalError } from '../kit/refusal.ts'
import { type PassthroughRulesInput, resolvePassthroughRules } from '../backend/request-rules.ts'
import { requireRevision } from '../change/require-revision.ts'
import { defaultWeight, dropRoute, newRoute } from '../route/create.ts'
import { type RouteAccessInput, resolveAccess } from '../route/access.ts'
import { hintOf, requireSecret } from '../kit/secret.ts'
import { maxDescriptionLength, requireName, requireText, requireUpstreamModel } from '../kit/text.ts'

export interface DeploymentQueueInput {
  readonly maxWaiting: number
  readonly maxWaitMs: number
}

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
  /** Omitted: probes as the engine suggests; null: none. */
  readonly healthCheck?: HealthCheckInput | null | undefined
  readonly queue?: DeploymentQueueInput | null | undefined
  readonly secret?: string | null | undefined
  /** Whether a route of the same name is made with it; on by default. */
  readonly enableModelRoute?: boolean
  readonly routeAccess?: RouteAccessInput | null | undefined
}

/** Whether the endpoints are asked for their models before the answer; off by default, but on in the API. */
export interface CheckInput {
  readonly check?: boolean
}

export interface DeploymentAndRoute {
  readonly deploymentId: string
  /** Null: no route was made with it. */
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

/** Asks the endpoints as they are now, and keeps what they said. A server that is away is no reason to refuse: it may start later. */
async function checkDeployment(control: ControlContext, id: string): Promise<void> {
  const backend = control.snapshots.current().backends.get(id)
  if (backend?.kind !== 'deployment') return
  await saveDeploymentProbe(control.db, id, await probeEndpoints(control, backend))
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

/** `access` is that of the route that is made with it; null: none is made. Throws the faults of both at once. */
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
  // What else can be wrong with the route comes from the deployment: it has one target, and the rest at its default.
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

/** Changes what is given; omitted members stay. The value is the deployment's id. */
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

/** A stored secret goes to no host that it was not entered for. */
function requireKnownOrigins(
  before: DeploymentDraft,
  after: DeploymentDraft,
  placeOf = (index: number) => ['input', 'endpoints', String(index), 'url'],
): void {
  if (before.secret === null) return
  const known = new Set(before.endpoints.map((endpoint) => new URL(endpoint.url).origin))
  const index = after.endpoints.findIndex((endpoint) => !known.has(new URL(endpoint.url).origin))
  if (index < 0) return
  throw refuseInput(
    'FAILED_PRECONDITION',
    placeOf(index),
    'The stored secret would be sent to a new host: give the secret too, or null to send none.',
  )
}

export interface DeploymentEndpointStateSetInput extends EditInput {
  readonly endpointId: string
  readonly state: ServingState
}

/** Takes one replica in or out of traffic. The value is the deployment's id. */
export function setDeploymentEndpointState(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointStateSetInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointStateSet', input }, (change) =>
    editEndpoint(change, input, (endpoint) => [{ ...endpoint, state: input.state }]),
  )
}

export interface DeploymentEndpointAddInput extends EditInput {
  readonly deployment: Ref
  readonly endpoint: EndpointInput
}

/** Adds a replica; the others stay as they are. The value is the deployment's id. */
export function addDeploymentEndpoint(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointAddInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointAdd', input }, (change) =>
    editDeployment(change, input.deployment, input.expectedRevision, (before) => {
      const [added] = resolveEndpoints([input.endpoint], [], ['input'], control.upstreams, () => ['input', 'endpoint'])
      if (before.endpoints.some((endpoint) => endpoint.url === added!.url))
        throw refuseInput('TAKEN', ['input', 'endpoint', 'url'], 'The deployment has this endpoint already.')
      const after = { ...before, endpoints: requireFewEndpoints([...before.endpoints, added!]) }
      requireKnownOrigins(before, after, () => ['input', 'endpoint', 'url'])
      return after
    }),
  )
}

export interface DeploymentEndpointUpdateInput extends EditInput, EndpointChange {
  readonly endpointId: string
}

/** Changes what is given of one replica; what is omitted stays. The value is the deployment's id. */
export function updateDeploymentEndpoint(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointUpdateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointUpdate', input }, (change) =>
    editEndpoint(change, input, (endpoint) => [updatedEndpoint(endpoint, input)]),
  )
}

export interface DeploymentEndpointRemoveInput extends EditInput {
  readonly endpointId: string
}

/** Removes one replica. The value is the deployment's id. */
export function removeDeploymentEndpoint(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointRemoveInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointRemove', input }, (change) =>
    editEndpoint(change, input, () => []),
  )
}

/** Puts what `edit` makes of one endpoint in its place. */
async function editEndpoint(
  change: Change,
  { endpointId, expectedRevision }: EditInput & { readonly endpointId: string },
  edit: (endpoint: EndpointConfiguration) => readonly EndpointConfiguration[],
): Promise<string> {
  const id = await findDeploymentIdOfEndpoint(change.tx, endpointId)
  if (!id) throw noSuchEndpoint()
  return editDeployment(change, { id }, expectedRevision, (before) => {
    // It may have gone before its deployment was locked.
    if (!before.endpoints.some((endpoint) => endpoint.id === endpointId)) throw noSuchEndpoint()
    const endpoints = before.endpoints.flatMap((each) => (each.id === endpointId ? edit(each) : [each]))
    return { ...before, endpoints }
  })
}

function noSuchEndpoint(): RefusalError {
  return refuseInput('NOT_FOUND', ['input', 'endpointId'], 'There is no such endpoint.')
}

export interface DeploymentDeleteInput extends EditInput {
  readonly deployment: Ref
}

/**
 * Removes a deployment, and the route that was made with it if that serves nothing else. Refused while another route uses
 * it. The value is the deployment's id.
 */
export function removeDeployment(
  control: ControlContext,
  actor: Actor,
  input: DeploymentDeleteInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentDelete', input }, async (change) => {
    const deployment = await lockDeployment(change, input.deployment)
    requireRevision(deployment, input.expectedRevision)
    await dropOwnRoute(change, deployment)
    await dropLimits(change, [deployment.id])
    await deleteDeployment(change.tx, deployment.id)
    record(change, deployment, null)
    return deployment.id
  })
}

async function dropOwnRoute(change: Change, deployment: DeploymentDraft): Promise<void> {
  const usedByIds = await listRouteIdsOfBackends(change.tx, [deployment.id], 20)
  const [onlyId] = usedByIds
  if (onlyId === undefined) return
  const route = usedByIds.length === 1 ? await findRouteForUpdate(change.tx, { id: onlyId }) : undefined
  const isItsOwn = route?.createdWithId === deployment.id && route.targets.every((t) => t.backendId === deployment.id)
  if (route && isItsOwn) return dropRoute(change, route)
  throw new RefusalError({
    kind: 'inUse',
    code: 'IN_USE',
    path: ['input', 'deployment'],
    message: `Routes use the deployment ${deployment.name}: replace or remove their targets first.`,
    usedByIds,
  })
}

async function lockDeployment(change: Change, ref: Ref): Promise<DeploymentDraft> {
  const deployment = await findDeploymentForUpdate(change.tx, change.control.box, ref)
  if (!deployment) throw refuseInput('NOT_FOUND', ['input', 'deployment'], 'There is no such deployment.')
  return deployment
}

async function editDeployment(
  change: Change,
  ref: Ref,
  expectedRevision: number | null | undefined,
  edit: (before: DeploymentDraft) => DeploymentDraft,
): Promise<string> {
  const before = await lockDeployment(change, ref)
  requireRevision(before, expectedRevision)
  const after = edit(before)
  if (isDeepStrictEqual(before, after)) return before.id
  await writeDeployment(change.tx, change.control.box, before, after)
  record(change, before, after)
  if (before.name !== after.name)
    await requireFreeLabels(change, before.id, [{ label: after.name, path: ['input', 'name'] }])
  return before.id
}

function record(change: Change, before: DeploymentDraft | null, after: DeploymentDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after), ['secret']))
  change.touch(id)
}

function auditedMembers(draft: DeploymentDraft): object {
  const { id: _id, revision: _revision, secretHint: _hint, ...members } = draft
  return members
}

function requireCategories(categories: readonly ModelCategory[]): readonly ModelCategory[] {
  if (categories.length === 0)
    throw refuseInput('INVALID', ['input', 'categories'], 'A model has at least one category.')
  return categories
}

function resolveSecret(secret: string | null): string | null {
  return secret === null ? null : requireSecret(secret, ['input', 'secret'])
}

function requireQueue(queue: DeploymentQueueInput): DeploymentQueueInput {
  const check = (name: keyof DeploymentQueueInput, most: number) => {
    const value = queue[name]
    if (!Number.isInteger(value) || value < 0 || value > most)
      throw refuseInput('INVALID', ['input', 'queue', name], `${name} is a whole number from 0 to ${most}.`)
    return value
  }
  return collectMembers<DeploymentQueueInput>({
    maxWaiting: () => check('maxWaiting', 100_000),
    maxWaitMs: () => check('maxWaitMs', 600_000),
  })
}
