/** The choice of a target: by its session, by how busy the targets are, or by weight; always among those that are available. */
import { backendAvailability, hasPlaceToWait, isAvailable, type BackendAvailability } from './availability.ts'
import type { LiveView } from './live-view.ts'
import type { Rotation } from './rotation.ts'
import type { Backend, Route, Snapshot, Target } from '../config/snapshot.ts'
import type { DivergenceReason } from '../config/vocabulary.ts'

/** The target that the weights chose for a request that went elsewhere, and the reason. */
export interface Divergence {
  readonly targetId: string
  readonly reason: DivergenceReason
}

/** The session of a request, on a route that keeps sessions together. */
export interface Session {
  /** The target of the session; null for a new session. */
  readonly targetId: string | null
  /** Binds the session to this target. */
  keep(targetId: string): void
}

export interface TargetQuestion {
  readonly snapshot: Snapshot
  readonly route: Route
  readonly live: LiveView
  /** The path as clients call it; null: any operation. */
  readonly operation: string | null
  /** The session of the request; null if it has none. */
  readonly session: Session | null
}

export interface TargetChoice {
  /** The chosen target; null if no target with weight is available or has a free place in its queue. */
  readonly target: Target | null
  /** Whether the target is full, so that the request waits in its queue. */
  readonly waits: boolean
  /** Null if the request goes to the target that the weights chose. */
  readonly divergence: Divergence | null
}

const noTarget: TargetChoice = { target: null, waits: false, divergence: null }

/** Chooses the target and advances the route's rotation: call it once per request. */
export function selectTarget(question: TargetQuestion, rotation: Rotation): TargetChoice {
  const { route, session } = question
  rotation.begin(route.targets)
  const sessionTarget = session && keptTarget(question, session)
  if (sessionTarget)
    return {
      target: sessionTarget,
      waits: false,
      divergence: divergenceOf(question, rotation, sessionTarget, 'SESSION'),
    }
  const choice = selectNew(question, rotation)
  if (choice.target) session?.keep(choice.target.id)
  return choice
}

function keptTarget(question: TargetQuestion, { targetId }: Session): Target | null {
  if (targetId === null) return null
  const target = question.route.targets.find(({ id, weight }) => id === targetId && weight > 0)
  return target && isOpen(question, target) ? target : null
}

function selectNew(question: TargetQuestion, rotation: Rotation): TargetChoice {
  const { route } = question
  openAvailable(question, rotation)
  const isWhole = rotation.isWhole
  if (route.balancing === 'LEAST_IN_FLIGHT') {
    const target = leastBusy(question, rotation)
    if (target) return { target, waits: false, divergence: divergenceOf(question, rotation, target, 'BALANCING') }
  }
  const target = route.targets[rotation.next()]
  if (!target) return selectWaiting(question, rotation)
  return { target, waits: false, divergence: isWhole ? null : divergenceOf(question, rotation, target, null) }
}

/** If no target is available: a full target whose queue has a free place, by the same rotation. */
function selectWaiting(question: TargetQuestion, rotation: Rotation): TargetChoice {
  const { targets } = question.route
  rotation.begin(targets)
  for (let i = 0; i < targets.length; i++) if (isWaitable(question, targets[i]!)) rotation.open(i)
  const isWhole = rotation.isWhole
  const target = targets[rotation.next()]
  if (!target) return { ...noTarget, divergence: divergenceOf(question, rotation, null, null) }
  return { target, waits: true, divergence: isWhole ? null : divergenceOf(question, rotation, target, null) }
}

function openAvailable(question: TargetQuestion, rotation: Rotation): void {
  const { targets } = question.route
  for (let i = 0; i < targets.length; i++) {
    if (targets[i]!.weight > 0 && isOpen(question, targets[i]!)) rotation.open(i)
  }
}

/** Among the targets with the fewest requests in flight for their weight, the next one of the rotation. */
function leastBusy(question: TargetQuestion, rotation: Rotation): Target | null {
  const { route } = question
  const least = leastBusyTargets(
    question,
    route.targets.filter((target) => target.weight > 0 && isOpen(question, target)),
  )
  rotation.begin(route.targets)
  for (const target of least) rotation.open(route.targets.indexOf(target))
  return route.targets[rotation.next()] ?? null
}

/** Of `targets`, those with the fewest requests in flight for their weight. */
export function leastBusyTargets({ snapshot, live }: TargetQuestion, targets: readonly Target[]): readonly Target[] {
  const loads = targets.map((target) => (inFlightOf(snapshot.backends.get(target.backendId), live) + 1) / target.weight)
  const least = Math.min(...loads)
  return targets.filter((_, index) => loads[index] === least)
}

function inFlightOf(backend: Backend | undefined, live: LiveView): number {
  if (backend?.kind !== 'deployment') return backend ? live.inFlightEverywhere(backend.id) : 0
  return backend.endpoints.reduce((sum, { id }) => sum + live.inFlightEverywhere(id), 0)
}

function isOpen({ snapshot, live, operation }: TargetQuestion, target: Target): boolean {
  return isAvailable(snapshot.backends.get(target.backendId), live, operation)
}

function isWaitable({ snapshot, live, operation }: TargetQuestion, target: Target): boolean {
  const backend = snapshot.backends.get(target.backendId)
  if (target.weight === 0 || backendAvailability(backend, live, operation) !== 'SATURATED') return false
  return hasPlaceToWait(backend, live)
}

/**
 * The divergence of a request. The rotation of the weights alone advances for it too: if its choice differs from `target`, the request
 * has diverged.
 */
function divergenceOf(
  { snapshot, route, live, operation }: TargetQuestion,
  rotation: Rotation,
  chosen: Target | null,
  reason: DivergenceReason | null,
): Divergence | null {
  const intended = route.targets[rotation.nextConfigured()]
  if (!intended || intended === chosen) return null
  const availability = backendAvailability(snapshot.backends.get(intended.backendId), live, operation)
  const why = leftOutReason(availability) ?? reason
  return why && { targetId: intended.id, reason: why }
}

function leftOutReason(availability: BackendAvailability): DivergenceReason | null {
  switch (availability) {
    case 'AVAILABLE':
      return null
    case 'NOT_SERVING':
    case 'NO_ENDPOINT':
      return 'NOT_SERVING'
    case 'UNHEALTHY':
    case 'SATURATED':
    case 'OPERATION_NOT_SERVED':
    case 'RATE_LIMITED':
    case 'BUDGET_EXHAUSTED':
      return availability
  }
}

/** One of `targets`, drawn by weight with `random` in [0, 1), for choices that must not advance the rotation. */
export function drawTarget(targets: readonly Target[], random: number): Target | null {
  let point = random * targets.reduce((sum, target) => sum + target.weight, 0)
  for (const target of targets) {
    point -= target.weight
    if (point < 0) return target
  }
  return targets.at(-1) ?? null
}

/** The chance of each of `targets` to be chosen, by id. */
export function selectionProbabilities(targets: readonly Target[]): ReadonlyMap<string, number> {
  const total = targets.reduce((sum, target) => sum + target.weight, 0)
  return new Map(targets.map((target) => [target.id, total === 0 ? 0 : target.weight / total]))
}
