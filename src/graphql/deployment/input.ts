import { builder } from '../schema/builder.ts'
import { DeploymentEngine, LoadBalancing } from './enums.ts'
import { ModelCategory } from '../backend/enums.ts'
import { ServingState } from '../kit/enums.ts'
import { ModelPricingInput } from '../backend/pricing-input.ts'
import { RouteAccessInput } from '../route/input.ts'
import { passageFields } from '../backend/request-rules-input.ts'
import { createFields, editFields } from '../kit/change-fields.ts'
import { DeploymentRefInput } from '../kit/references-input.ts'

export const HealthCheckInput = builder.inputType('HealthCheckInput', {
  description: 'How endpoints are probed.',
  fields: (t) => ({
    path: t.string({ description: 'The path to probe. Omitted: that of the engine, e.g. `/health`.' }),
    intervalMs: t.int({
      description: 'Time from the start of one probe to the start of the next, 500 to 3,600,000.',
      required: true,
      defaultValue: 5000,
    }),
    timeoutMs: t.int({
      description: 'Time after which a probe without an answer has failed, 50 to 60,000.',
      required: true,
      defaultValue: 2000,
    }),
    unhealthyThreshold: t.int({
      description: 'Failures in a row after which an endpoint is unhealthy, 1 to 100.',
      required: true,
      defaultValue: 3,
    }),
    healthyThreshold: t.int({
      description: 'Successes in a row after which an endpoint is healthy again, 1 to 100.',
      required: true,
      defaultValue: 1,
    }),
  }),
})

export const DeploymentQueueInput = builder.inputType('DeploymentQueueInput', {
  description: 'The queue of a saturated deployment.',
  fields: (t) => ({
    maxWaiting: t.int({
      description: 'Most requests that wait at the same time, 0 to 100,000; 0: none.',
      required: true,
    }),
    maxWaitMs: t.int({ description: 'The longest wait, 0 to 600,000.', required: true }),
  }),
})

export const DeploymentEndpointInput = builder.inputType('DeploymentEndpointInput', {
  description: 'One replica of a deployment.',
  fields: (t) => ({
    url: t.field({
      type: 'URL',
      description: 'Base URL of its OpenAI-compatible API, e.g. `http://10.0.0.7:8000/v1`.',
      required: true,
    }),
    weight: t.int({ description: 'Relative capacity, 1 to 1,000.', required: true, defaultValue: 1 }),
    maxInFlight: t.int({ description: 'Most requests in flight, over all gateways; null: no bound.' }),
    state: t.field({
      type: ServingState,
      description: 'Whether it takes traffic.',
      required: true,
      defaultValue: 'ACTIVE',
    }),
  }),
})

export const DeploymentCreateInput = builder.inputType('DeploymentCreateInput', {
  description: 'A new deployment.',
  fields: (t) => ({
    name: t.string({ description: 'Unique.', required: true }),
    description: t.string({ description: 'For people; at most 4,096 characters.', required: true, defaultValue: '' }),
    engine: t.field({
      type: DeploymentEngine,
      description: 'The serving software.',
      required: true,
      defaultValue: 'OTHER',
    }),
    upstreamModel: t.string({ description: "Omitted: the deployment's name." }),
    categories: t.field({
      type: [ModelCategory],
      description: 'What the model is for.',
      required: true,
      defaultValue: ['LLM'],
    }),
    pricing: t.field({ type: ModelPricingInput, description: 'Null or omitted: unknown.' }),
    operations: t.stringList({
      description:
        'Operations that the deployment serves, e.g. `/v1/messages`, at most 64. Omitted: those known for the engine.',
    }),
    contextTokens: t.int({ description: 'Tokens that fit into one request, the answer included; omitted: unknown.' }),
    ...passageFields(t, 'the same'),
    check: t.boolean({
      description:
        'Whether to ask each endpoint for its models before the answer and to report in `warnings` what would not work. The change is never refused for it: a server may start later.',
      required: true,
      defaultValue: true,
    }),
    endpoints: t.field({ type: [DeploymentEndpointInput], description: 'At most 256.', required: true }),
    loadBalancing: t.field({
      type: LoadBalancing,
      description: 'How a request chooses among the endpoints.',
      required: true,
      defaultValue: 'LEAST_IN_FLIGHT',
    }),
    healthCheck: t.field({
      type: HealthCheckInput,
      description: 'How endpoints are probed. Omitted: as the engine suggests; null: not at all.',
    }),
    queue: t.field({
      type: DeploymentQueueInput,
      description: 'The queue for requests when every endpoint is at its `maxInFlight`. Omitted: requests do not wait.',
    }),
    secret: t.string({ description: 'Sent to every endpoint as a bearer token.' }),
    enableModelRoute: t.boolean({
      description:
        'Whether to create a route of the same name in the same transaction, with this deployment as its only target, weight 100.',
      required: true,
      defaultValue: true,
    }),
    routeAccess: t.field({
      type: RouteAccessInput,
      description: 'Access of that route; omitted: any active key may call it.',
    }),
    ...createFields(t),
  }),
})

export const DeploymentUpdateInput = builder.inputType('DeploymentUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    deployment: t.field({ type: DeploymentRefInput, description: 'Which deployment.', required: true }),
    name: t.string({ description: 'The new name. Routes keep their names.' }),
    description: t.string({ description: 'For people; at most 4,096 characters.' }),
    upstreamModel: t.string({ description: 'The model name that is sent upstream.' }),
    categories: t.field({ type: [ModelCategory], description: 'What the model is for.' }),
    pricing: t.field({ type: ModelPricingInput, description: 'Null: unknown.' }),
    operations: t.stringList({
      description: 'Operations that the deployment serves, at most 64. Null: those known for the engine.',
    }),
    contextTokens: t.int({ description: 'Tokens that fit into one request, the answer included; null: unknown.' }),
    ...passageFields(t, 'as before'),
    check: t.boolean({
      description:
        'Whether to ask each endpoint for its models before the answer and to report in `warnings` what would not work. The change is never refused for it: a server may start later.',
      required: true,
      defaultValue: true,
    }),
    state: t.field({
      type: ServingState,
      description: 'Whether it takes traffic. `DISABLED` takes it out of every route at once.',
    }),
    loadBalancing: t.field({ type: LoadBalancing, description: 'How a request chooses among the endpoints.' }),
    healthCheck: t.field({ type: HealthCheckInput, description: 'Null: none.' }),
    queue: t.field({
      type: DeploymentQueueInput,
      description: 'What happens when every endpoint is at its `maxInFlight`.',
    }),
    secret: t.string({ description: 'Null: none.' }),
    endpoints: t.field({
      type: [DeploymentEndpointInput],
      description:
        'The whole new list. An endpoint whose URL was listed before keeps its id, and its `maxInFlight` if that is omitted; an omitted `weight` or `state` takes its default.',
    }),
    ...editFields(t),
  }),
})

export const DeploymentEndpointStateSetInput = builder.inputType('DeploymentEndpointStateSetInput', {
  description: 'Takes an endpoint in or out of service.',
  fields: (t) => ({
    endpointId: t.id({ description: 'Which endpoint.', required: true }),
    state: t.field({ type: ServingState, description: 'Its new state.', required: true }),
    ...editFields(t),
  }),
})

export const DeploymentDeleteInput = builder.inputType('DeploymentDeleteInput', {
  description:
    'Deletes a deployment. Refused while a route uses it, unless that is only the route that was created with it and that route has no other target: then the route is deleted too.',
  fields: (t) => ({
    deployment: t.field({ type: DeploymentRefInput, description: 'Which deployment.', required: true }),
    ...editFields(t),
  }),
})

export const DeploymentEndpointAddInput = builder.inputType('DeploymentEndpointAddInput', {
  description: 'Adds an endpoint; the others stay as they are.',
  fields: (t) => ({
    deployment: t.field({ type: DeploymentRefInput, description: 'Which deployment.', required: true }),
    endpoint: t.field({ type: DeploymentEndpointInput, description: 'The endpoint.', required: true }),
    ...editFields(t),
  }),
})

export const DeploymentEndpointUpdateInput = builder.inputType('DeploymentEndpointUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    endpointId: t.id({ description: 'Which endpoint.', required: true }),
    weight: t.int({ description: 'Relative capacity, 1 to 1,000.' }),
    maxInFlight: t.int({ description: 'Most requests in flight, over all gateways; null: no bound.' }),
    state: t.field({ type: ServingState, description: 'Whether it takes traffic.' }),
    ...editFields(t),
  }),
})

export const DeploymentEndpointRemoveInput = builder.inputType('DeploymentEndpointRemoveInput', {
  description: 'Removes an endpoint.',
  fields: (t) => ({
    endpointId: t.id({ description: 'Which endpoint.', required: true }),
    ...editFields(t),
  }),
})
