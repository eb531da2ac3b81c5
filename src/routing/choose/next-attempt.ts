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

/** What became of a plan. */
export interface Attempt {
  readonly targetId: string | null
  readonly backendId: string
  readonly endpointId: string | null
  readonly credentialId: string | null
  readonly isFallback: boolean
  /** False: it only waited for an endpoint, in vain, and nothing went upstream. */
  readonly wasSent: boolean
  /** The upstream's; null if none came. */
  readonly status: number | null
  /** Why it was no answer; null: it was one. */
  readonly trigger: FallbackTrigger | null
}

/** All that the decision depends on. One object serves a request: `attempts`, `nowMs` and `hasRepeat` change with each question. */
export interface AttemptQuestion extends TargetQuestion {
  readonly rotations: Rotations
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly prefixHash: number | null
  readonly deadlineAtMs: number
  readonly attempts: readonly Attempt[]
  /** Whether the route's retry budget has one left; a plan with `isRepeat` takes it. */
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
  /** Of a request's first step only. */
  readonly divergence: Divergence | null
}

/** Wait in this deployment's waiting room; in vain: an attempt with `SATURATED` that was not sent. */
export interface WaitPlan {
  readonly kind: 'wait'
  readonly routeId: string
  readonly target: Target | null
  readonly backend: DeploymentBackend
  readonly isFallback: boolean
  /** For an ejected endpoint, since all are: what goes there has no room either. */
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
  /** The upstream's answer to that attempt, as it came. */
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

/** The first step of a request if `attempts` is empty, which takes the route's next turn; else the one after the last. */
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

/** Whether the body of a 400 must be read before it is known what to do: only if the route wants to move on for it. */
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

/** No target with weight is available and nothing was tried. */
function withoutTarget(question: AttemptQuestion): NextAttempt {
  const { trigger } = stageWithoutTarget(question)
  return nextFallback(question, trigger) ?? lastResort(question, trigger) ?? stop(question)
}

/** What is left for a request that no target with weight can take now. */
export interface StageWithoutTarget {
  readonly trigger: 'SATURATED' | 'UNAVAILABLE'
  /** Saturated targets that have a place left in their waiting room. */
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

/** A 401, 403 or 429 speaks against the credential: the provider's next one, as long as there is one that is not benched. */
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

/** Once, for a target whose endpoint failed. */
function otherEndpoint(question: AttemptQuestion, last: Attempt): NextAttempt | null {
  if (last.isFallback || !mayTryOtherEndpoint(question, last)) return null
  const target = targetOf(question.route, last)
  return target && planTarget(question, target, true, null)
}

/** The fallback's backends come first, in their order; then this. */
function otherFallbackEndpoint(question: AttemptQuestion, last: Attempt): NextAttempt | null {
  if (!last.isFallback || !mayTryOtherEndpoint(question, last)) return null
  const backend = question.snapshot.backends.get(last.backendId)
  return backend ? planBackend(question, backend, { target: null, isFallback: true, isRepeat: true }) : null
}

/** What another endpoint of the same deployment may do better. */
const endpointFailures: ReadonlySet<FallbackTrigger> = new Set(['CONNECT_ERROR', 'SERVER_ERROR', 'RATE_LIMITED'])

function mayTryOtherEndpoint(question: AttemptQuestion, last: Attempt): boolean {
  if (last.endpointId === null || last.trigger === null || !endpointFailures.has(last.trigger)) return false
  const here = question.attempts.filter((attempt) => attempt.wasSent && attempt.backendId === last.backendId)
  return here.length === 1 && question.hasRepeat && hasAttempt(question, last.isFallback)
}

/** One other available target with weight. Where nothing was sent yet it is no repeat. */
function otherTarget(question: AttemptQuestion, last: Attempt, trigger: FallbackTrigger): NextAttempt | null {
  if (last.isFallback || trigger === 'CONTEXT_LENGTH') return null
  // Of a plain answer it may be computing still: an equal target would do the same work, and both are paid.
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

/** The first of the fallback's backends, without `tried`, that is available; else the first with a place to wait. */
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

/** Everything is ejected and nothing was sent: the least recently ejected of what the request may go to, or a wait for it. */
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
 * Of the targets with weight, and of the fallback if it may be used for `trigger`, the one ejected longest ago that has room;
 * else the first with a place to wait. Null while anything is well and only full.
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

/** In the room of a backend that has one: a deployment. */
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
  const kept = fallback && !isFallback ? 1 : 0
  return sentCount(question) < Math.max(1, most - kept)
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

/** The last upstream answer, unless it speaks of the gateway's credential, be it with a status or in a stream; without one, why there is none. */
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

/** A stream that began with a good status and brought no event in time is no answer. */
function wasAnswered({ status, trigger }: Attempt): boolean {
  return status !== null && trigger !== 'TIMEOUT' && trigger !== 'CONNECT_ERROR'
}

function errorAnswer(code: GatewayErrorCode, rule: RetryRule = { retryAfterMs: null, shouldRetry: true }): FinalAnswer {
  return { kind: 'error', code, ...rule }
}

const shortestRetryAfterMs = 1_000
const longestRetryAfterMs = 300_000

/** Whether nothing that the route could send the operation to serves it, however well it is: waiting does not help. */
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

/** What its circuits are kept by, as far as it takes requests. */
function placesOf(backend: Backend): readonly string[] {
  if (backend.kind === 'providerModel') return [backend.id]
  return backend.endpoints.filter(({ state }) => state === 'ACTIVE').map(({ id }) => id)
}
