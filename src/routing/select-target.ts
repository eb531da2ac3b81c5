/** The choice of a target by weight among those that are available. */
import { backendAvailability, isAvailable, type BackendAvailability } from './availability.ts'
import type { LiveView } from './live-view.ts'
import type { Rotation } from './rotation.ts'
import type { Route, Snapshot, Target } from './snapshot.ts'
import type { DivergenceReason } from './vocabulary.ts'

/** A request that did not go where the weights say: the target that it should have gone to, and why it did not. */
export interface Divergence {
  readonly targetId: string
  readonly reason: DivergenceReason
}

export interface TargetChoice {
  /** Null: no target with weight is available. */
  readonly target: Target | null
  /** Null while all targets with weight are available. */
  readonly divergence: Divergence | null
}

/** Takes the route's next turn: call it once per request. */
export function selectTarget(snapshot: Snapshot, route: Route, live: LiveView, rotation: Rotation): TargetChoice {
  const { targets } = route
  rotation.begin(targets)
  for (let i = 0; i < targets.length; i++) {
    if (targets[i]!.weight > 0 && isOpen(snapshot, targets[i]!, live)) rotation.open(i)
  }
  const target = targets[rotation.next()] ?? null
  return { target, divergence: rotation.isWhole ? null : divergenceOf(snapshot, route, live, rotation) }
}

function isOpen(snapshot: Snapshot, target: Target, live: LiveView): boolean {
  return isAvailable(snapshot.backends.get(target.backendId), live)
}

/** While targets are left out, the configured split turns beside: what it gives to one of them has diverged. */
function divergenceOf(snapshot: Snapshot, route: Route, live: LiveView, rotation: Rotation): Divergence | null {
  const intended = route.targets[rotation.nextConfigured()]
  if (!intended) return null
  const reason = leftOutReason(backendAvailability(snapshot.backends.get(intended.backendId), live))
  return reason && { targetId: intended.id, reason }
}

function leftOutReason(availability: BackendAvailability): DivergenceReason | null {
  switch (availability) {
    case 'AVAILABLE':
      return null
    case 'NOT_SERVING':
    case 'NO_ENDPOINT':
      return 'NOT_SERVING'
    case 'UNHEALTHY':
      return 'UNHEALTHY'
    case 'SATURATED':
    case 'OPERATION_NOT_SERVED':
    case 'RATE_LIMITED':
    case 'BUDGET_EXHAUSTED':
      return availability
  }
}

/** One of `targets`, drawn by weight with `random` in [0, 1): for choices that are no turn of the route. */
export function drawTarget(targets: readonly Target[], random: number): Target | null {
  let point = random * targets.reduce((sum, target) => sum + target.weight, 0)
  for (const target of targets) {
    point -= target.weight
    if (point < 0) return target
  }
  return targets.at(-1) ?? null
}

/** The chance of each of `targets` to be drawn or to have the next turn, by id. */
export function selectionProbabilities(targets: readonly Target[]): ReadonlyMap<string, number> {
  const total = targets.reduce((sum, target) => sum + target.weight, 0)
  return new Map(targets.map((target) => [target.id, total === 0 ? 0 : target.weight / total]))
}
