import { builder } from '../schema/builder.ts'
import { BackendRefInput, RouteRefInput } from '../kit/references-input.ts'
import { AccessPolicy, FallbackTrigger, RouteAffinity, RouteBalancing } from './enums.ts'
import { ModelCategory } from '../backend/enums.ts'
import { ServingState } from '../kit/enums.ts'
import { createFields, editFields } from '../kit/change-fields.ts'

export const RouteFilterInput = builder.inputType('RouteFilterInput', {
  description: 'Which routes to list. Fields combine with AND.',
  fields: (t) => ({
    search: t.string({ description: 'Part of the name, whatever its case.' }),
    backend: t.field({ type: BackendRefInput, description: 'Routes that use this backend as a target or fallback.' }),
    categories: t.field({ type: [ModelCategory], description: 'Routes with any of these categories.' }),
    state: t.field({ type: ServingState, description: 'Routes in this state.' }),
  }),
})

export const RouteExplainInput = builder.inputType('RouteExplainInput', {
  description: 'What a client would send.',
  fields: (t) => ({
    model: t.string({ description: 'What the client would send as `model`.', required: true }),
    apiKeyId: t.id({ description: 'The key that the client would use; null: none.' }),
    operation: t.string({
      description: 'The path that the client would call.',
      required: true,
      defaultValue: '/v1/chat/completions',
    }),
  }),
})

export const RouteTargetInput = builder.inputType('RouteTargetInput', {
  description: 'A weighted target.',
  fields: (t) => ({
    backend: t.field({ type: BackendRefInput, description: 'What to send requests to.', required: true }),
    weight: t.int({
      description: '0 to 1,000,000, relative to the other weights of the route.',
      required: true,
      defaultValue: 100,
    }),
  }),
})

export const RouteFallbackInput = builder.inputType('RouteFallbackInput', {
  description: 'Ordered backends for requests whose weighted target failed.',
  fields: (t) => ({
    backends: t.field({
      type: [BackendRefInput],
      description: '1 to 8, tried in order; none of them a target of the route.',
      required: true,
    }),
    triggers: t.field({
      type: [FallbackTrigger],
      description: 'The failures after which a request moves on to the fallback.',
      required: true,
      defaultValue: [
        'CONNECT_ERROR',
        'TIMEOUT',
        'RATE_LIMITED',
        'SERVER_ERROR',
        'UPSTREAM_AUTH',
        'UPSTREAM_NOT_FOUND',
        'SATURATED',
        'UNAVAILABLE',
      ],
    }),
    maxAttempts: t.int({
      description: 'Most attempts for one request, the first included; 1 to 9.',
      required: true,
      defaultValue: 3,
    }),
  }),
})

export const RouteTimeoutsInput = builder.inputType('RouteTimeoutsInput', {
  description:
    'How long a request may take. In an update omitted members stay as they are; in a new route they take their default.',
  fields: (t) => ({
    connectMs: t.int({ description: 'The longest time to open a connection.' }),
    firstByteMs: t.int({
      description:
        'The longest wait for the first byte of a stream. Each byte before the first content restarts the wait.',
    }),
    answerMs: t.int({
      description: 'The longest wait for the head of an answer that is not streamed, in one attempt.',
    }),
    idleMs: t.int({ description: 'The longest pause between two parts of a response.' }),
    totalMs: t.int({ description: 'The longest time of all attempts together, time in a queue included.' }),
    keepAliveMs: t.int({
      description: 'After this time without content the client of a stream gets status 200 and a comment; null: never.',
    }),
  }),
})

export const RouteAccessInput = builder.inputType('RouteAccessInput', {
  description: 'Who may call a route.',
  fields: (t) => ({
    policy: t.field({ type: AccessPolicy, description: 'Who may call it.', required: true }),
    userIds: t.field({
      type: ['ID'],
      description: 'At most 1,000; only with `RESTRICTED`.',
      required: true,
      defaultValue: [],
    }),
    apiKeyIds: t.field({
      type: ['ID'],
      description: 'At most 1,000; only with `RESTRICTED`.',
      required: true,
      defaultValue: [],
    }),
  }),
})

export const RouteCreateInput = builder.inputType('RouteCreateInput', {
  description: 'A new route.',
  fields: (t) => ({
    name: t.string({ description: 'What clients send as `model`. Unique.', required: true }),
    description: t.string({ description: 'For people; at most 4,096 characters.', required: true, defaultValue: '' }),
    categories: t.field({
      type: [ModelCategory],
      description: 'What the route is for.',
      required: true,
      defaultValue: ['LLM'],
    }),
    targets: t.field({
      type: [RouteTargetInput],
      description: '1 to 64; at least one weight above 0.',
      required: true,
    }),
    fallback: t.field({
      type: RouteFallbackInput,
      description: 'Null or omitted: there is no fallback, and a request fails when its target fails.',
    }),
    timeouts: t.field({ type: RouteTimeoutsInput, description: 'Omitted members take their default.' }),
    access: t.field({ type: RouteAccessInput, description: 'Omitted: any active key may call it.' }),
    affinity: t.field({
      type: RouteAffinity,
      description: 'Whether requests of one session go to the same target.',
      required: true,
      defaultValue: 'NONE',
    }),
    balancing: t.field({
      type: RouteBalancing,
      description: 'How the target of a new request, or of a new session, is chosen.',
      required: true,
      defaultValue: 'WEIGHTED',
    }),
    rewritesModel: t.boolean({
      description: "Whether the answer's `model` is the route's name instead of the upstream's.",
      required: true,
      defaultValue: false,
    }),
    ...createFields(t),
  }),
})

export const RouteUpdateInput = builder.inputType('RouteUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    name: t.string({ description: 'What clients send as `model`. Unique; the old name stops working.' }),
    description: t.string({ description: 'For people; at most 4,096 characters.' }),
    categories: t.field({ type: [ModelCategory], description: 'What the route is for.' }),
    state: t.field({ type: ServingState, description: 'Whether it takes traffic.' }),
    timeouts: t.field({ type: RouteTimeoutsInput, description: 'Omitted members stay.' }),
    affinity: t.field({
      type: RouteAffinity,
      description: 'Whether requests of one session go to the same target.',
    }),
    balancing: t.field({
      type: RouteBalancing,
      description: 'How the target of a new request, or of a new session, is chosen.',
    }),
    rewritesModel: t.boolean({
      description: "Whether the answer's `model` is the route's name instead of the upstream's.",
    }),
    ...editFields(t),
  }),
})

export const RouteDeleteInput = builder.inputType('RouteDeleteInput', {
  description: 'Deletes a route. Its history, usage and request log stay.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    ...editFields(t),
  }),
})

export const RouteFallbackSetInput = builder.inputType('RouteFallbackSetInput', {
  description: 'Replaces the fallback of a route.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    fallback: t.field({ type: RouteFallbackInput, description: 'Null: none.' }),
    ...editFields(t),
  }),
})

export const RouteAccessSetInput = builder.inputType('RouteAccessSetInput', {
  description: 'Replaces the access of a route.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    access: t.field({
      type: RouteAccessInput,
      description: 'The new access. It replaces the earlier access completely.',
      required: true,
    }),
    ...editFields(t),
  }),
})

export const RouteRollbackInput = builder.inputType('RouteRollbackInput', {
  description:
    'Restores targets, weights, fallback, timeouts, affinity, balancing and `rewritesModel` of an earlier revision as a new one. Access is never rolled back.',
  fields: (t) => ({
    route: t.field({ type: RouteRefInput, description: 'Which route.', required: true }),
    toRevision: t.int({ description: 'The number of an earlier revision.', required: true }),
    ...editFields(t),
  }),
})
