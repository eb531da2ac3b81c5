/**
 * The failure contract's "moving on", as one pure question: with what has been tried so far, what now?
 *
 * In this order: another credential of the same provider; another endpoint of a deployment whose endpoint failed; one
 * other available target with weight; the fallback's backends. If nothing was sent because everything is ejected, the least
 * recently ejected is tried, so that the gateway never refuses by itself for longer than the upstreams do.
 */
import {
  backendAvailability,
  firstEjectedAtMs,
  hasPlaceToWait,
  isAvailable,
  leastRecentlyEjected,
  servesOperation,
} from './availability.ts'
import type { EndpointConfiguration } from '../config/configuration.ts'
import { defaultMaxAttempts } from '../config/configuration.ts'
import type { GatewayErrorCode } from '../errors/gateway-errors.ts'
import { periodRetryAfterMs } from '../limits/budget-period.ts'
import type { Rotations } from './rotation.ts'
import { nextCredential, selectCredential, type Credential } from './select-credential.ts'
import { selectEndpoint } from './select-endpoint.ts'
import { drawTarget, selectTarget, type Divergence, type TargetQuestion } from './select-target.ts'
import type { Backend, DeploymentBackend, Route, Target } from '../config/snapshot.ts'
import type { FallbackTrigger } from '../config/vocabulary.ts'

/** The result of one attempt. */
export interface Attempt {
  readonly targetId: string | null
  readonly backendId: string
  readonly endpointId: string | null
  readonly credentialId: string | null
  readonly isFallback: boolean
  /** False: the request only waited for an endpoint without success, and nothing was sent upstream. */
  readonly wasSent: boolean
  /** The status of the upstream; null if none came. */
  readonly status: number | null
  /** The failure of the attempt; null if it brought an answer. */
  readonly trigger: FallbackTrigger | null
}

/**
 * Everything on which the decision depends. One object is used for a request: `attempts`, `nowMs` and `hasRepeat` are updated before
 * each decision.
 */
export interface AttemptQuestion extends TargetQuestion {
  readonly rotations: Rotations
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly prefixHash: number | null
  readonly deadlineAtMs: number
  readonly attempts: readonly Attempt[]
  /** Whether the route's retry budget allows a repeat; a plan with `isRepeat` uses it. */
  readonly hasRepeat: boolean
  readonly nowMs: number
  /** Whether the client asked for a stream. */
  readonly wantsStream: boolean
}

/** Send to this backend: a provider with this credential, or a deployment's endpoint. */
export interface AttemptPlan {
  readonly kind: 'attempt'
  /** Null for a fallback. */
  readonly target: Target | null
  readonly backend: Backend
  readonly endpoint: EndpointConfiguration | null
  readonly credential: Credential | null
  readonly isFallback: boolean
  readonly isRepeat: boolean
  /** Set only for the first attempt of a request. */
  readonly divergence: Divergence | null
}

/** Wait in the queue of this deployment. A wait without success counts as an attempt with `SATURATED` that was not sent. */
export interface WaitPlan {
  readonly kind: 'wait'
  readonly routeId: string
  readonly target: Target | null
  readonly backend: DeploymentBackend
  readonly isFallback: boolean
  /** Whether the wait is for an ejected endpoint, because all endpoints are ejected and this one is full. */
  readonly isLastResort: boolean
  readonly divergence: Divergence | null
}

/** Nothing more is tried. */
export interface Stop {
  readonly kind: 'stop'
  readonly answer: FinalAnswer
  readonly divergence: Divergence | null
}

export type FinalAnswer =
  /** Pass on the upstream's answer to that attempt unchanged. */
  | { readonly kind: 'relay'; readonly attemptIndex: number }
  | ({ readonly kind: 'error'; readonly code: GatewayErrorCode } & RetryRule)

/** What a client that is refused is told of its next try. */
export interface RetryRule {
  /** Null: trying again is not a matter of time. */
  readonly retryAfterMs: number | null
  /** False: a client that tries again by itself would do it in vain. */
  readonly shouldRetry: boolean
}

export type NextAttempt = AttemptPlan | WaitPlan | Stop

/** The next step of a request. If `attempts` is empty, it is the first step and advances the route's rotation. */
export function nextAttempt(question: AttemptQuestion): NextAttempt {
  const last = question.attempts.at(-1)
  if (question.nowMs >= question.deadlineAtMs) return stop(question)
  if (!last) return firstAttempt(question)
  if (last.trigger === null) return stop(question)
  return (
    otherCredential(question, last) ??
    otherEndpoint(question, last) ??
    otherTarget(question, last, last.trigger) ??
    nextFallback(question, last.trigger) ??
    otherFallbackEndpoint(question, last) ??
    lastResort(question, last.trigger) ??
    stop(question)
  )
}

/** Whether the body of a 400 must be read before the decision: only if the route's triggers include `CONTEXT_LENGTH`. */
export function watchesContextLength(route: Route): boolean {
  return route.fallback?.triggers.has('CONTEXT_LENGTH') ?? false
}

function firstAttempt(question: AttemptQuestion): NextAttempt {
  const { route, rotations } = question
  const { target, waits, divergence } = selectTarget(question, rotations.of(route.id))
  if (target && waits) {
    return withDivergence(
      planWait(route, { target, backend: backendOf(question, target)!, isFallback: false }),
      divergence,
    )
  }
  const plan = target && planTarget(question, target, false, divergence)
  return plan ?? withDivergence(withoutTarget(question), divergence)
}

/** The step if no target with weight is available and nothing was tried. */
function withoutTarget(question: AttemptQuestion): NextAttempt {
  const { trigger } = stageWithoutTarget(question)
  return nextFallback(question, trigger) ?? lastResort(question, trigger) ?? stop(question)
}

/** The options of a request when no target with weight can take it now. */
export interface StageWithoutTarget {
  readonly trigger: 'SATURATED' | 'UNAVAILABLE'
  /** Saturated targets whose queue has a free place. */
  readonly waiting: readonly Target[]
}

export function stageWithoutTarget({ snapshot, route, live, operation }: TargetQuestion): StageWithoutTarget {
  const saturated = route.targets.filter(
    ({ weight, backendId }) =>
      weight > 0 && backendAvailability(snapshot.backends.get(backendId), live, operation) === 'SATURATED',
  )
  const waiting = saturated.filter((target) => hasPlaceToWait(snapshot.backends.get(target.backendId), live))
  return { trigger: saturated.length > 0 ? 'SATURATED' : 'UNAVAILABLE', waiting }
}

/** After a 401, 403 or 429 the next credential of the provider that is not benched; null if there is none. */
function otherCredential(question: AttemptQuestion, last: Attempt): NextAttempt | null {
  if (last.trigger !== 'UPSTREAM_AUTH' && last.trigger !== 'RATE_LIMITED') return null
  const backend = question.snapshot.backends.get(last.backendId)
  if (backend?.kind !== 'providerModel' || backend.state !== 'ACTIVE') return null
  if (!hasAttempt(question, last.isFallback)) return null
  const tried = idsOf(question.attempts, (attempt) => attempt.credentialId)
  const credential = nextCredential(backend.provider, question.live, tried)
  if (!credential) return null
  const target = targetOf(question.route, last)
  return planOf({ target, backend, credential, isFallback: last.isFallback })
}

/** Another endpoint of the target's deployment, at most once. */
function otherEndpoint(question: AttemptQuestion, last: Attempt): NextAttempt | null {
  if (last.isFallback || !mayTryOtherEndpoint(question, last)) return null
  const target = targetOf(question.route, last)
  return target && planTarget(question, target, true, null)
}

/** Another endpoint of a deployment in the fallback, after all backends of the fallback were tried. */
function otherFallbackEndpoint(question: AttemptQuestion, last: Attempt): NextAttempt | null {
  if (!last.isFallback || !mayTryOtherEndpoint(question, last)) return null
  const backend = question.snapshot.backends.get(last.backendId)
  return backend ? planBackend(question, backend, { target: null, isFallback: true, isRepeat: true }) : null
}

/** Failures after which another endpoint of the same deployment is tried. */
const endpointFailures: ReadonlySet<FallbackTrigger> = new Set(['CONNECT_ERROR', 'SERVER_ERROR', 'RATE_LIMITED'])

function mayTryOtherEndpoint(question: AttemptQuestion, last: Attempt): boolean {
  if (last.endpointId === null || last.trigger === null || !endpointFailures.has(last.trigger)) return false
  const here = question.attempts.filter((attempt) => attempt.wasSent && attempt.backendId === last.backendId)
  return here.length === 1 && question.hasRepeat && hasAttempt(question, last.isFallback)
}

/** One other available target with weight. It counts as a repeat only if something was sent. */
function otherTarget(question: AttemptQuestion, last: Attempt, trigger: FallbackTrigger): NextAttempt | null {
  if (last.isFallback || trigger === 'CONTEXT_LENGTH') return null
  // The upstream may still be computing an answer that is not streamed: another target would do the same work, and both would be paid.
  if (trigger === 'TIMEOUT' && !question.wantsStream) return null
  const isRepeat = sentCount(question) > 0
  if ((isRepeat && !question.hasRepeat) || !hasAttempt(question, false)) return null
  const tried = idsOf(question.attempts, (attempt) => attempt.targetId)
  if (tried.size > 1) return null
  const triedBackends = idsOf(question.attempts, (attempt) => attempt.backendId)
  const others = question.route.targets.filter(
    (target) =>
      target.weight > 0 &&
      !triedBackends.has(target.backendId) &&
      isAvailable(backendOf(question, target), question.live, question.operation),
  )
  const target = drawTarget(others, question.random())
  return target && planTarget(question, target, isRepeat, null)
}

function nextFallback(question: AttemptQuestion, trigger: FallbackTrigger): NextAttempt | null {
  if (!hasAttempt(question, true)) return null
  const tried = idsOf(question.attempts, (attempt) => (attempt.isFallback ? attempt.backendId : null))
  const backend = fallbackFor(question, trigger, tried)
  if (!backend) return null
  const plan = planBackend(question, backend, { target: null, isFallback: true, isRepeat: false })
  return plan ?? planWait(question.route, { target: null, backend, isFallback: true })
}

/** The first available backend of the fallback that is not in `tried`; else the first with a free place in its queue. */
export function fallbackFor(
  { snapshot, route, live, operation }: TargetQuestion,
  trigger: FallbackTrigger,
  tried: ReadonlySet<string> | null = null,
): Backend | null {
  const { fallback } = route
  if (!fallback?.triggers.has(trigger)) return null
  let waiting: Backend | null = null
  for (const id of fallback.backendIds) {
    const backend = snapshot.backends.get(id)
    if (!backend || tried?.has(id)) continue
    const availability = backendAvailability(backend, live, operation)
    if (availability === 'AVAILABLE') return backend
    if (availability === 'SATURATED' && hasPlaceToWait(backend, live)) waiting ??= backend
  }
  return waiting
}

/** If everything is ejected and nothing was sent: an attempt at the backend whose ejection is oldest, or a wait for it. */
function lastResort(question: AttemptQuestion, trigger: FallbackTrigger): NextAttempt | null {
  if (sentCount(question) > 0) return null
  const candidate = leastRecentCandidate(question, trigger)
  if (!candidate) return null
  const { target, backend } = candidate
  const isFallback = target === null
  if (backend.kind === 'providerModel') {
    return planOf({ target, backend, credential: selectCredential(backend.provider, question.live), isFallback })
  }
  const endpoint = leastRecentlyEjected(backend, question.live)
  if (endpoint) return planOf({ target, backend, endpoint, isFallback })
  return planWait(question.route, { target, backend, isFallback, isLastResort: true })
}

export interface EjectedCandidate {
  /** Null for a backend of the fallback. */
  readonly target: Target | null
  readonly backend: Backend
}

/**
 * Among the targets with weight, and the fallback if `trigger` allows it: the one whose ejection is oldest and that has capacity; else
 * the first with a free place in its queue. Null if something is healthy and only full.
 */
export function leastRecentCandidate(
  { snapshot, route, live, operation }: TargetQuestion,
  trigger: FallbackTrigger,
): EjectedCandidate | null {
  if (trigger === 'SATURATED') return null
  let first: EjectedCandidate | null = null
  let firstAtMs = Infinity
  let waiting: EjectedCandidate | null = null
  const offer = (target: Target | null, backendId: string): void => {
    const backend = snapshot.backends.get(backendId)
    if (!backend || (operation !== null && !servesOperation(backend, live, operation))) return
    if (live.limitOf?.(backend)) return
    const atMs = firstEjectedAtMs(backend, live)
    if (atMs === null) {
      const isFull = backendAvailability(backend, live, operation) === 'UNHEALTHY'
      if (isFull && hasPlaceToWait(backend, live)) waiting ??= { target, backend }
    } else if (atMs < firstAtMs) {
      first = { target, backend }
      firstAtMs = atMs
    }
  }
  for (const target of route.targets) {
    if (target.weight > 0) offer(target, target.backendId)
  }
  if (route.fallback?.triggers.has(trigger)) {
    for (const id of route.fallback.backendIds) offer(null, id)
  }
  return first ?? waiting
}

function planTarget(
  question: AttemptQuestion,
  target: Target,
  isRepeat: boolean,
  divergence: Divergence | null,
): AttemptPlan | null {
  const backend = backendOf(question, target)
  return backend ? planBackend(question, backend, { target, isFallback: false, isRepeat, divergence }) : null
}

type PlanTemplate = Pick<AttemptPlan, 'target' | 'isFallback'> & Partial<AttemptPlan>

/** Null if it has no available endpoint that this request has not tried. */
function planBackend(question: AttemptQuestion, backend: Backend, template: PlanTemplate): AttemptPlan | null {
  if (backend.kind === 'providerModel') {
    return planOf({ ...template, backend, credential: selectCredential(backend.provider, question.live) })
  }
  const tried = question.attempts.length === 0 ? null : idsOf(question.attempts, (attempt) => attempt.endpointId)
  const endpoint = selectEndpoint(backend, question, tried)
  return endpoint && planOf({ ...template, backend, endpoint })
}

function planOf(plan: PlanTemplate & Pick<AttemptPlan, 'backend'>): AttemptPlan {
  return {
    kind: 'attempt',
    target: plan.target,
    backend: plan.backend,
    endpoint: plan.endpoint ?? null,
    credential: plan.credential ?? null,
    isFallback: plan.isFallback,
    isRepeat: plan.isRepeat ?? false,
    divergence: plan.divergence ?? null,
  }
}

/** A plan to wait in the queue of a deployment; null for a backend without a queue. */
function planWait(
  { id }: Route,
  plan: PlanTemplate & Pick<AttemptPlan, 'backend'> & { readonly isLastResort?: boolean },
): WaitPlan {
  return {
    kind: 'wait',
    routeId: id,
    target: plan.target,
    backend: plan.backend as DeploymentBackend,
    isFallback: plan.isFallback,
    isLastResort: plan.isLastResort ?? false,
    divergence: null,
  }
}

function withDivergence(step: NextAttempt, divergence: Divergence | null): NextAttempt {
  return divergence ? { ...step, divergence } : step
}

/** One attempt is kept for the fallback, if the route has one. */
function hasAttempt(question: AttemptQuestion, isFallback: boolean): boolean {
  const { fallback } = question.route
  const most = fallback?.maxAttempts ?? defaultMaxAttempts
  const keptForFallback = fallback && !isFallback ? 1 : 0
  return sentCount(question) < Math.max(1, most - keptForFallback)
}

function sentCount({ attempts }: AttemptQuestion): number {
  let count = 0
  for (const attempt of attempts) if (attempt.wasSent) count++
  return count
}

function idsOf(attempts: readonly Attempt[], idOf: (attempt: Attempt) => string | null): ReadonlySet<string> {
  const ids = new Set<string>()
  for (const attempt of attempts) {
    const id = idOf(attempt)
    if (id !== null) ids.add(id)
  }
  return ids
}

function targetOf(route: Route, attempt: Attempt): Target | null {
  return route.targets.find((target) => target.id === attempt.targetId) ?? null
}

function backendOf(question: AttemptQuestion, target: Target): Backend | undefined {
  return question.snapshot.backends.get(target.backendId)
}

function stop(question: AttemptQuestion): Stop {
  return { kind: 'stop', answer: finalAnswer(question), divergence: null }
}

/** The last answer of an upstream, unless it concerns the gateway's own credential; without an answer, the error that says why. */
function finalAnswer(question: AttemptQuestion): FinalAnswer {
  const { attempts, nowMs, deadlineAtMs } = question
  const attemptIndex = attempts.findLastIndex(wasAnswered)
  if (attemptIndex >= 0) {
    const isOurCredential = attempts[attemptIndex]!.trigger === 'UPSTREAM_AUTH'
    return isOurCredential ? errorAnswer('upstream_auth_failed') : { kind: 'relay', attemptIndex }
  }
  const lastSent = attempts.findLast((attempt) => attempt.wasSent)
  if (lastSent) return errorAnswer(lastSent.trigger === 'TIMEOUT' ? 'upstream_timeout' : 'upstream_unreachable')
  if (nowMs >= deadlineAtMs) return errorAnswer('upstream_timeout')
  if (isServedByNone(question)) return errorAnswer('operation_not_served')
  return errorAnswer('no_target_available', retryRule(question, nowMs))
}

/** Whether the attempt brought an answer. A stream with a good status but without an event in time did not. */
function wasAnswered({ status, trigger }: Attempt): boolean {
  return status !== null && trigger !== 'TIMEOUT' && trigger !== 'CONNECT_ERROR'
}

function errorAnswer(code: GatewayErrorCode, rule: RetryRule = { retryAfterMs: null, shouldRetry: true }): FinalAnswer {
  return { kind: 'error', code, ...rule }
}

const shortestRetryAfterMs = 1_000
const longestRetryAfterMs = 300_000

/** Whether no backend of the route serves the operation at all, so that waiting does not help. */
export function isServedByNone({ snapshot, route, live, operation }: TargetQuestion): boolean {
  if (operation === null) return false
  const backends = servingIds(route)
    .map((id) => snapshot.backends.get(id))
    .filter((backend) => backend !== undefined)
  return backends.length > 0 && backends.every((backend) => !servesOperation(backend, live, operation))
}

/** The backends that a request of the route can ever go to: of targets with weight, and those of the fallback. */
function servingIds({ targets, fallback }: Route): readonly string[] {
  const ids = targets.filter(({ weight }) => weight > 0).map(({ backendId }) => backendId)
  return [...ids, ...(fallback?.triggers.has('UNAVAILABLE') ? fallback.backendIds : [])]
}

/**
 * Until the first of what could take the request is due again, or its limit has room, from 1 s to 5 min; 1 s if one is well: it is only full. If
 * all wait for budgets, until the first of their periods ends, at most a day.
 */
export function retryRule({ snapshot, route, live, operation }: TargetQuestion, nowMs: number): RetryRule {
  let soonest = Infinity
  let periodEndsAtMs: number | null = null
  for (const id of servingIds(route)) {
    const backend = snapshot.backends.get(id)
    if (backend?.state !== 'ACTIVE' || (operation !== null && !servesOperation(backend, live, operation))) continue
    const limit = live.limitOf?.(backend)
    const roomAtMs = nowMs + (limit?.retryAfterMs ?? 0)
    if (limit?.reason === 'BUDGET_EXHAUSTED') {
      periodEndsAtMs = Math.min(periodEndsAtMs ?? Infinity, roomAtMs)
      continue
    }
    for (const place of placesOf(backend))
      soonest = Math.min(soonest, Math.max(roomAtMs, live.isHealthy(place) ? nowMs : live.retryAtMs(place)))
  }
  if (soonest === Infinity && periodEndsAtMs !== null)
    return { retryAfterMs: periodRetryAfterMs(periodEndsAtMs - nowMs), shouldRetry: false }
  const afterMs = soonest === Infinity ? 0 : soonest - nowMs
  return { retryAfterMs: Math.min(Math.max(afterMs, shortestRetryAfterMs), longestRetryAfterMs), shouldRetry: true }
}

/** The ids under which the circuits of the backend are kept: those of its active endpoints, or its own. */
function placesOf(backend: Backend): readonly string[] {
  if (backend.kind === 'providerModel') return [backend.id]
  return backend.endpoints.filter(({ state }) => state === 'ACTIVE').map(({ id }) => id)
}
