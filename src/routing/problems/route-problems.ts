/** Problems of routes that no backend serves, and of routes whose requests go to other targets than the weights say. */
import { backendAvailability, type BackendAvailability, hasPlaceToWait } from '../choose/availability.ts'
import type { Backend, Route } from '../config/snapshot.ts'
import type { RouteSecond } from '../traffic/report.ts'
import type { DivergenceReason } from '../config/vocabulary.ts'
import type { BackendUses } from './backend-use.ts'
import { listNames, type ProblemDraft } from './operational-problem.ts'
import type { ProblemFacts } from './problem-facts.ts'

/** The problems of all routes, unavailable routes first. */
export function routeProblems(facts: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  const problems: ProblemDraft[] = []
  for (const route of facts.snapshot.routesById.values()) {
    if (route.state !== 'ACTIVE') continue
    const problem = unavailable(facts, uses, route) ?? diverges(facts, route)
    if (problem) problems.push(problem)
  }
  return problems
}

// ── nobody serves it ──

interface Candidate {
  readonly backend: Backend | undefined
  readonly backendId: string
  readonly availability: BackendAvailability
}

function unavailable(facts: ProblemFacts, uses: BackendUses, route: Route): ProblemDraft | null {
  const candidates = candidatesOf(route, uses)
  if (candidates.some((candidate) => isServed(candidate, uses))) return null
  const ejections = candidates.flatMap(({ backend }) => firstFailure(facts, backend) ?? [])
  return {
    code: 'ROUTE_UNAVAILABLE',
    key: route.id,
    severity: 'CRITICAL',
    // The route is unavailable since the last of them was ejected.
    sinceMs: ejections.length > 0 ? Math.max(...ejections) : null,
    changedIds: candidates.length === 0 ? [route.id] : candidates.flatMap(configuredOut),
    summary: `Nothing serves the route ${route.name}: ${describe(candidates)}.`,
    remedy: remedyFor(candidates),
    subjectId: route.id,
  }
}

/** Targets with weight, then the fallback, each backend once. */
function candidatesOf({ targets, fallback }: Route, uses: BackendUses): Candidate[] {
  const weighted = targets.filter(({ weight }) => weight > 0).map(({ backendId }) => backendId)
  return [...new Set([...weighted, ...(fallback?.backendIds ?? [])])].map((backendId) => {
    const backend = uses.backend(backendId)
    return { backend, backendId, availability: backendAvailability(backend, uses.view, null) }
  })
}

/** Whether the backend serves. A full backend does: requests that wait for it get their answer. */
function isServed({ backend, availability }: Candidate, uses: BackendUses): boolean {
  return availability === 'AVAILABLE' || (availability === 'SATURATED' && hasPlaceToWait(backend, uses.view))
}

/** When the last endpoint of a backend that could serve was ejected; null if none was. */
function firstFailure({ failing }: ProblemFacts, backend: Backend | undefined): number | null {
  if (!backend) return null
  const ids = backend.kind === 'deployment' ? backend.endpoints.map(({ id }) => id) : [backend.id]
  const since = ids.flatMap((id) => (failing.get(id)?.isEjected ? failing.get(id)!.sinceMs : []))
  return since.length > 0 ? Math.max(...since) : null
}

/** Backends that serve nothing because of their configuration. */
function configuredOut({ backend, backendId, availability }: Candidate): string[] {
  if (availability !== 'NOT_SERVING' && availability !== 'NO_ENDPOINT') return []
  return [backend?.kind === 'providerModel' ? backend.provider.id : backendId]
}

const words: Readonly<Record<BackendAvailability, string>> = {
  AVAILABLE: 'available',
  NOT_SERVING: 'drained or disabled',
  OPERATION_NOT_SERVED: 'without the operation',
  NO_ENDPOINT: 'without an active endpoint',
  UNHEALTHY: 'unhealthy',
  SATURATED: 'full',
  RATE_LIMITED: 'at its limit',
  BUDGET_EXHAUSTED: 'out of budget',
}

function describe(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return 'it has no target with a weight above 0, and no fallback'
  return listNames(candidates.map(({ backend, availability }) => `${backend?.label} is ${words[availability]}`))
}

function remedyFor(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return 'Give a target a weight with routeTrafficSet, or add one with routeTargetAdd.'
  if (candidates.every(({ availability }) => availability === 'SATURATED'))
    return 'Add endpoints with deploymentEndpointAdd, raise their maxInFlight, or set a fallback with routeFallbackSet.'
  if (candidates.some(({ availability }) => availability === 'UNHEALTHY'))
    return 'Repair or restart the servers, or send the route to others with routeTargetReplace or routeFallbackSet.'
  if (candidates.some(({ availability }) => availability === 'BUDGET_EXHAUSTED'))
    return 'Raise the budget with budgetRaise, or send the route to others with routeTargetReplace or routeFallbackSet.'
  return 'Set a backend to ACTIVE with deploymentUpdate or providerUpdate, or replace it with routeTargetReplace.'
}

// ── the split is another one ──

/** Reasons that follow from the route's own configuration and are no problem. */
const asConfigured: ReadonlySet<DivergenceReason> = new Set(['SESSION', 'BALANCING'])
const fewestDiverged = 3
const leastShare = 0.05
/** The problem ends after this many requests in a row that went to their target, or after a time without divergence. */
const enoughStraight = 10
const divergesForMs = 30_000

interface Diverged {
  readonly requests: number
  readonly diverged: number
  readonly firstSecond: number
  readonly lastSecond: number
  readonly straightSince: number
  /** By reason and target, the most frequent first. */
  readonly causes: readonly { readonly reason: DivergenceReason; readonly targetId: string }[]
}

function diverges({ snapshot, traffic, nowMs }: ProblemFacts, route: Route): ProblemDraft | null {
  const gateways = traffic.get(route.id)
  const found = gateways && sumDivergence(gateways.flatMap(({ seconds }) => seconds))
  if (!found || found.diverged < fewestDiverged || found.diverged < found.requests * leastShare) return null
  if (found.straightSince >= enoughStraight || nowMs - found.lastSecond * 1000 > divergesForMs) return null
  const labelOf = (targetId: string) => {
    const target = route.targets.find(({ id }) => id === targetId)
    return (target && snapshot.backends.get(target.backendId)?.label) ?? 'a former target'
  }
  const causes = found.causes.map(({ reason, targetId }) => `${labelOf(targetId)} ${reasons[reason]}`)
  return {
    code: 'ROUTE_DIVERGES',
    key: route.id,
    severity: 'WARNING',
    sinceMs: found.firstSecond * 1000,
    summary: `Requests of the route ${route.name} go elsewhere than its weights say: ${listNames(causes)}.`,
    remedy: remedies[found.causes[0]!.reason],
    subjectId: route.id,
  }
}

function sumDivergence(seconds: readonly RouteSecond[]): Diverged | null {
  const causes = new Map<string, { reason: DivergenceReason; targetId: string; requests: number }>()
  let firstSecond = Infinity
  let lastSecond = -Infinity
  for (const { second, divergence } of seconds) {
    for (const { reason, targetId, requests } of divergence) {
      if (asConfigured.has(reason)) continue
      const key = `${reason} ${targetId}`
      causes.set(key, { reason, targetId, requests: (causes.get(key)?.requests ?? 0) + requests })
      firstSecond = Math.min(firstSecond, second)
      lastSecond = Math.max(lastSecond, second)
    }
  }
  if (causes.size === 0) return null
  const sorted = [...causes].sort(([a, one], [b, two]) => two.requests - one.requests || (a < b ? -1 : 1))
  return {
    requests: sumRequests(seconds),
    diverged: sumRequests(sorted.map(([, cause]) => cause)),
    firstSecond,
    lastSecond,
    straightSince: sumRequests(seconds.filter(({ second }) => second > lastSecond)),
    causes: sorted.map(([, cause]) => cause),
  }
}

function sumRequests(items: readonly { readonly requests: number }[]): number {
  return items.reduce((sum, { requests }) => sum + requests, 0)
}

const reasons: Readonly<Record<DivergenceReason, string>> = {
  FALLBACK: 'failed and the fallback served',
  UNHEALTHY: 'was unhealthy',
  SATURATED: 'was full',
  NOT_SERVING: 'was drained, disabled or without an endpoint',
  OPERATION_NOT_SERVED: 'does not serve the operation',
  RETRIED: 'failed and another target served',
  SESSION: 'had no session of theirs',
  BALANCING: 'was busier than another target',
  RATE_LIMITED: 'was at a limit',
  BUDGET_EXHAUSTED: 'was out of budget',
}

const seeLog = 'See requestLogs(filter: { retried: true }) for what upstream said, and repair the server.'
const remedies: Readonly<Record<DivergenceReason, string>> = {
  FALLBACK: seeLog,
  RETRIED: seeLog,
  UNHEALTHY: 'Repair the server, or take the target out of the split with routeTrafficSet.',
  SATURATED:
    'Add endpoints with deploymentEndpointAdd, raise their maxInFlight, or lower the weight with routeTrafficSet.',
  NOT_SERVING: 'Set the target to ACTIVE again, or replace it with routeTargetReplace.',
  OPERATION_NOT_SERVED:
    'Send this operation to a route whose targets all serve it, or replace the target with routeTargetReplace.',
  SESSION: 'Set affinity to NONE with routeUpdate if the weights alone should decide.',
  BALANCING: 'Set balancing to WEIGHTED with routeUpdate if the weights alone should decide.',
  RATE_LIMITED: 'Raise the limit of the target with rateLimitUpdate, or lower its weight with routeTrafficSet.',
  BUDGET_EXHAUSTED: 'Raise the budget with budgetRaise, or send the traffic elsewhere with routeTrafficSet.',
}
