/** Explains what the gateway would do with a request now, by the same functions that the gateway uses. */
import {
  authorise,
  anonymous,
  identify,
  isRefusal,
  noTargetAvailable,
  type AccessRefusal,
} from '../access/authorise.ts'
import { backendAvailability, targetAvailability } from './availability.ts'
import type { GatewayErrorCode } from '../errors/gateway-errors.ts'
import type { LiveView } from './live-view.ts'
import { matchRoute } from '../access/match-route.ts'
import { fallbackFor, isServedByNone, leastRecentCandidate, stageWithoutTarget } from './next-attempt.ts'
import { findOperation } from '../vendors/operation.ts'
import { leastBusyTargets, selectionProbabilities, type TargetQuestion } from './select-target.ts'
import type { Route, Snapshot } from '../config/snapshot.ts'
import type { TargetAvailability } from '../config/vocabulary.ts'

export interface ExplainRequest {
  /** What the client would send as `model`. */
  readonly model: string
  /** The key that the client would use; null: none. */
  readonly apiKeyId: string | null
  /** E.g. `/v1/chat/completions`. */
  readonly operation: string
}

export interface Explanation {
  /** Null if the request would be sent. */
  readonly refusal: AccessRefusal['status'] | null
  readonly refusalCode: GatewayErrorCode | null
  /** Null if no route has that name. */
  readonly routeId: string | null
  /** Every target, then every backend of the fallback, in order. */
  readonly candidates: readonly ExplainedCandidate[]
}

export interface ExplainedCandidate {
  /** Null for a backend of the fallback. */
  readonly targetId: string | null
  readonly backendId: string
  readonly isFallback: boolean
  /** The chance that the first attempt goes there, 0 to 1; 0 for all if the request would be refused. */
  readonly probability: number
  readonly availability: TargetAvailability
  readonly upstreamModel: string
}

export function explain(snapshot: Snapshot, live: LiveView, request: ExplainRequest, nowMs: number): Explanation {
  const route = matchRoute(snapshot, request.model)
  const refusal = refusalOf(snapshot, route, request, nowMs)
  const question = route && { snapshot, route, live, operation: request.operation, session: null }
  const chances = question && !refusal ? firstAttemptChances(question) : new Map<string, number>()
  const final = refusal ?? (chances.size === 0 ? unavailable(question) : null)
  return {
    refusal: final?.status ?? null,
    refusalCode: final?.code ?? null,
    routeId: route?.id ?? null,
    candidates: question ? candidatesOf(question, chances) : [],
  }
}

function unavailable(question: TargetQuestion | undefined): AccessRefusal {
  return question && isServedByNone(question) ? operationNotServed : noTargetAvailable
}

const operationNotServed: AccessRefusal = { status: 404, code: 'operation_not_served' }
const unknownUrl: AccessRefusal = { status: 404, code: 'unknown_url' }
const invalidApiKey: AccessRefusal = { status: 401, code: 'invalid_api_key' }

/** The refusal, checked in the gateway's order: operation, key, route, access. A key that is not in the snapshot is revoked or unknown. */
function refusalOf(
  snapshot: Snapshot,
  route: Route | undefined,
  { apiKeyId, operation }: ExplainRequest,
  nowMs: number,
): AccessRefusal | null {
  if (!findOperation(operation)?.upstreamPath) return unknownUrl
  const apiKey = apiKeyId === null ? null : snapshot.apiKeysById.get(apiKeyId)
  if (apiKey === undefined) return invalidApiKey
  const caller = apiKey ? identify(snapshot, apiKey, nowMs) : anonymous
  return isRefusal(caller) ? caller : authorise(route, caller)
}

/**
 * The chances of the first attempt, by the id of the target or of the fallback's backend; empty if the request would be refused with
 * 503.
 */
function firstAttemptChances(question: TargetQuestion): ReadonlyMap<string, number> {
  const { snapshot, route, live, operation } = question
  const open = route.targets.filter(
    (target) => targetAvailability(target, snapshot.backends.get(target.backendId), live, operation) === 'AVAILABLE',
  )
  if (open.length > 0) {
    return selectionProbabilities(route.balancing === 'LEAST_IN_FLIGHT' ? leastBusyTargets(question, open) : open)
  }
  const { trigger, waiting } = stageWithoutTarget(question)
  if (waiting.length > 0) return selectionProbabilities(waiting)
  const certain = fallbackFor(question, trigger)?.id ?? leastRecentId(question, trigger)
  return new Map(certain ? [[certain, 1]] : [])
}

function leastRecentId(question: TargetQuestion, trigger: 'SATURATED' | 'UNAVAILABLE'): string | null {
  const candidate = leastRecentCandidate(question, trigger)
  return candidate && (candidate.target?.id ?? candidate.backend.id)
}

function candidatesOf(
  { snapshot, route, live, operation }: TargetQuestion,
  chances: ReadonlyMap<string, number>,
): readonly ExplainedCandidate[] {
  const targets = route.targets.map((target) => {
    const backend = snapshot.backends.get(target.backendId)
    return {
      targetId: target.id,
      backendId: target.backendId,
      isFallback: false,
      probability: chances.get(target.id) ?? 0,
      availability: targetAvailability(target, backend, live, operation),
      upstreamModel: backend?.upstreamModel ?? '',
    }
  })
  const fallbacks = (route.fallback?.backendIds ?? []).map((backendId) => {
    const backend = snapshot.backends.get(backendId)
    return {
      targetId: null,
      backendId,
      isFallback: true,
      probability: chances.get(backendId) ?? 0,
      availability: backendAvailability(backend, live, operation),
      upstreamModel: backend?.upstreamModel ?? '',
    }
  })
  return [...targets, ...fallbacks]
}
