/**
 * What spans say, in the words of OpenTelemetry's conventions for HTTP and generative AI
 * (https://opentelemetry.io/docs/specs/semconv/http/http-spans/, and see `gen-ai.ts`); `signalbox.*` is what these have no word for.
 * What a client sent is not in it: no body, no path but the operation's, no name but the route's.
 */
import type { Attributes } from '@opentelemetry/api'
import { findOperation } from '../../routing/vendors/operation.ts'
import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
import { isFailure, type UsageRecord } from '../../routing/usage/record.ts'
import { attemptErrorOf } from '../usage/attempt-error.ts'
import { genAiOperationOf, genAiProviderOf } from './gen-ai.ts'

/** Of the span of a client's request. */
export function requestAttributes(record: UsageRecord): Attributes {
  const { operation, routeName } = record
  return {
    'http.request.method': findOperation(operation)?.method ?? '_OTHER',
    'http.route': operation,
    'http.response.status_code': record.status,
    'signalbox.request_id': record.id,
    'signalbox.outcome': record.outcome.toLowerCase(),
    'signalbox.attempts': record.attempts.length,
    'signalbox.overhead': record.overheadMs / 1000,
    ...(routeName !== null && routeAttributes(record, routeName)),
    ...given('signalbox.api_key.id', record.apiKeyId),
    ...given('signalbox.user.id', record.userId),
    ...given('error.type', isFailure(record.outcome) ? (record.errorCode ?? record.outcome.toLowerCase()) : null),
  }
}

function routeAttributes(record: UsageRecord, routeName: string): Attributes {
  return {
    'gen_ai.operation.name': genAiOperationOf(record.operation),
    'gen_ai.provider.name': 'signalbox',
    'gen_ai.request.model': routeName,
    'gen_ai.request.stream': record.stream,
    'signalbox.route.id': record.routeId ?? '',
    'signalbox.route.revision': record.routeRevision ?? 0,
    ...given('signalbox.backend', record.backendLabel),
    ...given('signalbox.fallback.trigger', record.fallbackTrigger?.toLowerCase()),
    ...given('gen_ai.response.time_to_first_chunk', record.firstByteMs === null ? null : record.firstByteMs / 1000),
  }
}

/** Of the span of an attempt: number `index` of those in the record. */
export function attemptAttributes(plan: AttemptPlan, record: UsageRecord, index: number): Attributes {
  const attempt = record.attempts[index]!
  const { backend, endpoint } = plan
  const upstream = URL.parse(backend.kind === 'deployment' ? (endpoint?.url ?? '') : backend.provider.baseUrl)
  return {
    'gen_ai.operation.name': genAiOperationOf(record.operation),
    'gen_ai.provider.name': genAiProviderOf(backend),
    'gen_ai.request.model': backend.upstreamModel,
    'http.request.method': 'POST',
    'signalbox.backend': backend.label,
    'signalbox.fallback': attempt.isFallback,
    ...(upstream && {
      'server.address': upstream.hostname,
      'server.port': Number(upstream.port || (upstream.protocol === 'https:' ? 443 : 80)),
    }),
    ...(index > 0 && { 'http.request.resend_count': index }),
    ...given('http.response.status_code', attempt.status),
    ...given('signalbox.target.id', attempt.targetId),
    ...given('signalbox.endpoint.id', attempt.endpointId),
    ...given('signalbox.trigger', attempt.trigger?.toLowerCase()),
    ...given('error.type', attemptErrorOf(record, index) || null),
    ...(index === record.attempts.length - 1 && usageAttributes(record)),
  }
}

/** Only the attempt's span has tokens; otherwise sums over spans would count them twice. */
function usageAttributes({ tokens, provenance, cost }: UsageRecord): Attributes {
  if (tokens === null) return {}
  return {
    'gen_ai.usage.input_tokens': tokens.inputTokens,
    'gen_ai.usage.output_tokens': tokens.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': tokens.cachedInputTokens,
    'gen_ai.usage.cache_creation.input_tokens': tokens.cacheWriteTokens,
    'gen_ai.usage.reasoning.output_tokens': tokens.reasoningTokens,
    'signalbox.usage.provenance': provenance.toLowerCase(),
    ...given('signalbox.cost_usd', cost === null ? null : Number(cost)),
  }
}

function given(name: string, value: string | number | null | undefined): Attributes {
  return value === null || value === undefined ? {} : { [name]: value }
}
