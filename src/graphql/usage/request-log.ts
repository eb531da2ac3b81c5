import type { AttemptRecord, UsageRecord } from '../../routing/usage/record.ts'
import { listRequestLogs } from '../../storage/usage/request-log.ts'
import { readsUsage } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connect, connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import { FallbackTrigger } from '../route/enums.ts'
import { RequestOutcome, UsageProvenance } from './enums.ts'
import { ApiKeyRef } from '../api-key/ref.ts'
import { NodeRef } from '../schema/refs.ts'
import { RequestLogRef } from './ref.ts'
import { RouteRef, RouteTargetRef } from '../route/ref.ts'
import { UserRef } from '../user/ref.ts'
import { requireForwards, TimeRangeInput, UsageFilterInput } from './input.ts'
import { maySeeUpstreams, maySeeUsage, visibleUsage } from './visibility.ts'

const RequestAttempt = builder.objectRef<AttemptRecord & { readonly number: number }>('RequestAttempt').implement({
  description: 'One call upstream.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'From 1.' }),
    target: t.field({
      type: RouteTargetRef,
      nullable: true,
      description: 'Null for a fallback, or if it was deleted.',
      resolve: ({ targetId }, _args, { loaders }) => (targetId === null ? null : loaders.target.load(targetId)),
    }),
    backendLabel: t.exposeString('backendLabel', { description: "The backend's label at that time." }),
    endpointUrl: t.field({
      type: 'URL',
      nullable: true,
      description: "The endpoint's URL; null for a provider, and for a member.",
      resolve: ({ endpointUrl }, _args, { actor }) => (maySeeUpstreams(actor) ? endpointUrl : null),
    }),
    status: t.exposeInt('status', { nullable: true, description: 'The status of the answer; null if none came.' }),
    trigger: t.expose('trigger', {
      type: FallbackTrigger,
      nullable: true,
      description: 'Why the next attempt was made; null for the last one.',
    }),
    durationMs: t.exposeFloat('durationMs', { description: 'How long it took.' }),
    credentialHint: t.string({
      nullable: true,
      description: 'The last characters of the credential that was sent; null for a deployment, and for a member.',
      resolve: ({ credentialHint }, _args, { actor }) => (maySeeUpstreams(actor) ? credentialHint : null),
    }),
    error: t.string({
      nullable: true,
      description:
        'The error of the upstream, at most 500 characters, without secrets; null for a successful answer, and for a member.',
      resolve: ({ error }, _args, { actor }) => (maySeeUpstreams(actor) ? error : null),
    }),
    upstreamRequestId: t.exposeString('upstreamRequestId', {
      nullable: true,
      description: 'The id that the upstream gave the request, for its support.',
    }),
  }),
})

builder.objectType(RequestLogRef, {
  description: 'One request of a client. Bodies are not kept.',
  interfaces: [NodeRef],
  authScopes: readsUsage,
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Clients get it as `x-request-id`.' }),
    startedAt: t.field({
      type: 'DateTime',
      description: 'When it arrived.',
      resolve: ({ startedAtMs }) => new Date(startedAtMs),
    }),
    operation: t.exposeString('operation', { description: 'The called endpoint, e.g. `/v1/chat/completions`.' }),
    requestedModel: t.exposeString('requestedModel', {
      nullable: true,
      description: 'What the client sent as `model`.',
    }),
    route: t.field({
      type: RouteRef,
      nullable: true,
      description: 'The route; null if none matched or if it was deleted.',
      resolve: ({ routeId }, _args, { loaders }) => (routeId === null ? null : loaders.route.load(routeId)),
    }),
    routeName: t.exposeString('routeName', {
      nullable: true,
      description: 'The name of the route at that time; null if none matched.',
    }),
    routeRevision: t.exposeInt('routeRevision', {
      nullable: true,
      description: 'The revision of the route that served it.',
    }),
    apiKey: t.field({
      type: ApiKeyRef,
      nullable: true,
      description: 'The key of the caller; null if none was sent or none was accepted.',
      resolve: ({ apiKeyId }, _args, { loaders }) => (apiKeyId === null ? null : loaders.apiKey.load(apiKeyId)),
    }),
    apiKeyName: t.exposeString('apiKeyName', {
      nullable: true,
      description: 'The name of that key at that time; null if there was none.',
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The owner of that key.',
      resolve: ({ userId }, _args, { loaders }) => (userId === null ? null : loaders.user.load(userId)),
    }),
    userName: t.exposeString('userName', {
      nullable: true,
      description: 'The name of that user at that time; null if there was none.',
    }),
    outcome: t.expose('outcome', { type: RequestOutcome, description: 'How it ended.' }),
    status: t.exposeInt('status', { description: 'The status that the client got.' }),
    stream: t.exposeBoolean('stream', { description: 'Whether the client asked for a stream.' }),
    attempts: t.field({
      type: [RequestAttempt],
      description: 'In order; the last one served the client if it succeeded.',
      resolve: ({ attempts }) => attempts.map((attempt, index) => ({ ...attempt, number: index + 1 })),
    }),
    provenance: t.expose('provenance', { type: UsageProvenance, description: 'Where the token counts come from.' }),
    inputTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Input tokens; null if there is nothing to count.',
      resolve: ({ tokens }) => tokens?.inputTokens ?? null,
    }),
    cachedInputTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Input tokens that were read from a cache; part of `inputTokens`.',
      resolve: ({ tokens }) => tokens?.cachedInputTokens ?? null,
    }),
    cacheWriteTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Input tokens that were written to a cache; part of `inputTokens`.',
      resolve: ({ tokens }) => tokens?.cacheWriteTokens ?? null,
    }),
    outputTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Output tokens; null if there is nothing to count.',
      resolve: ({ tokens }) => tokens?.outputTokens ?? null,
    }),
    reasoningTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Output tokens for reasoning; part of `outputTokens`.',
      resolve: ({ tokens }) => tokens?.reasoningTokens ?? null,
    }),
    images: t.expose('images', {
      type: 'SafeInt',
      nullable: true,
      description: 'Generated images; null if none were reported.',
    }),
    audioSeconds: t.exposeFloat('audioSeconds', {
      nullable: true,
      description: 'Seconds of audio; null if none were reported.',
    }),
    characters: t.expose('characters', {
      type: 'SafeInt',
      nullable: true,
      description: 'Characters that were converted to speech; null for other requests.',
    }),
    serviceTier: t.exposeString('serviceTier', {
      nullable: true,
      description: 'The `service_tier` of the answer; null if it names none.',
    }),
    cost: t.expose('cost', { type: 'Decimal', nullable: true, description: 'USD; null without a price.' }),
    firstByteMs: t.exposeFloat('firstByteMs', {
      nullable: true,
      description: 'Milliseconds to the first byte of the answer; null if there was none.',
    }),
    durationMs: t.exposeFloat('durationMs', { description: 'Milliseconds to the end of the answer.' }),
    overheadMs: t.exposeFloat('overheadMs', {
      description: 'The part of `durationMs` that was spent neither waiting for the upstream nor for the client.',
    }),
    errorCode: t.exposeString('errorCode', { nullable: true, description: 'The error code that the client got.' }),
  }),
})

const RequestLogConnection = connectionType<UsageRecord>('RequestLog', RequestLogRef, {
  isCounted: false,
  description:
    'A page of the request log. There is no total, because counting would read the whole log; `usage` counts requests.',
})

builder.queryFields((t) => ({
  requestLogs: t.field({
    type: RequestLogConnection,
    description: 'Newest first. A member sees its own requests.',
    authScopes: readsUsage,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      range: t.arg({ type: TimeRangeInput, description: 'When the requests arrived; omitted: at any time.' }),
      filter: t.arg({ type: UsageFilterInput, description: 'Omitted: all requests.' }),
    },
    resolve: (_root, { range, filter, ...args }, context, info) => {
      if (range) requireForwards(range)
      const query = {
        from: range?.from ?? null,
        to: range?.to ?? null,
        filter: visibleUsage(context.actor, filter),
      }
      const source = {
        list: 'requestLogs',
        read: (request: Parameters<typeof listRequestLogs>[2]) => listRequestLogs(context.db, query, request),
      }
      return connect(context, source, args, info)
    },
  }),
  requestLog: t.field({
    type: RequestLogRef,
    nullable: true,
    description:
      'The request with the `x-request-id` that the client got; null if there is none, or if the caller may not see it.',
    authScopes: readsUsage,
    args: { id: t.arg.id({ required: true, description: 'The `x-request-id`.' }) },
    resolve: async (_root, { id }, { actor, loaders }) => {
      const record = await loaders.requestLog.load(id)
      return record && maySeeUsage(actor, record) ? record : null
    },
  }),
}))
