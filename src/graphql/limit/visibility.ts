import { authorise, noTargetAvailable } from '../../routing/access/authorise.ts'
import type { LimitDimension, LimitSubject } from '../../routing/limits/limit.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { hasAnyScope, readsConfig } from '../kit/authorisation.ts'
import type { GraphQLContext } from '../kit/context.ts'

/** The part of a limit or a budget that decides who sees it. */
export interface VisibilitySubject {
  readonly subject: LimitSubject
  readonly per: readonly LimitDimension[]
}

/** Which limits and budgets a caller sees, and which of their states. */
export interface LimitVisibility {
  /** Whether the caller sees this limit; null if it sees all limits. */
  readonly isOwn: ((limited: VisibilitySubject) => boolean) | null
  /** Whether the caller sees this state. `ids` are the values of `per`, in its order. */
  seesState(limited: VisibilitySubject, ids: readonly (string | null)[]): boolean
}

const seesAll: LimitVisibility = { isOwn: null, seesState: () => true }

/**
 * A caller who may read the configuration sees every limit. Another caller sees the limits that apply to its keys: on its user, its
 * keys, the routes that these may call, and the installation. Of a limit that is counted per key or user it sees only its own states.
 */
export function limitVisibilityOf({ actor, control }: Pick<GraphQLContext, 'actor' | 'control'>): LimitVisibility {
  if (hasAnyScope(actor, readsConfig)) return seesAll
  const { userId } = actor
  const snapshot = control.snapshots.current()
  const keyIds = keyIdsOf(snapshot, userId)
  const routes = new Map<string, boolean>()
  const mayCall = (routeId: string): boolean => {
    let known = routes.get(routeId)
    if (known === undefined) routes.set(routeId, (known = isCallable(snapshot, routeId, keyIds)))
    return known
  }
  const isOwnId = (dimension: LimitDimension, id: string | null): boolean => {
    if (id === null) return false
    if (dimension === 'USER') return id === userId
    return dimension === 'API_KEY' ? keyIds.has(id) : mayCall(id)
  }
  const isOwnSubject = (subject: LimitSubject): boolean =>
    (subject.kind === 'USER' && subject.id === userId) || (subject.kind === 'API_KEY' && keyIds.has(subject.id))
  return {
    isOwn: ({ subject }) =>
      isOwnSubject(subject) || subject.kind === 'INSTALLATION' || (subject.kind === 'ROUTE' && mayCall(subject.id)),
    seesState: ({ subject, per }, ids) =>
      isOwnSubject(subject) || per.every((dimension, index) => isOwnId(dimension, ids[index]!)),
  }
}

/** Whether the caller sees this limit or budget. */
export function seesLimit(sight: LimitVisibility, limited: VisibilitySubject): boolean {
  return sight.isOwn === null || sight.isOwn(limited)
}

/** The ids of a table's limits that the caller sees; null: all. */
export function visibleIds<T extends VisibilitySubject & { readonly id: string }>(
  { isOwn }: LimitVisibility,
  limits: Iterable<T>,
): readonly string[] | null {
  if (isOwn === null) return null
  return [...limits].filter(isOwn).map(({ id }) => id)
}

function keyIdsOf({ apiKeysById }: Snapshot, userId: string | null): ReadonlySet<string> {
  const own = new Set<string>()
  for (const { id, ownerId } of apiKeysById.values()) if (ownerId === userId) own.add(id)
  return own
}

function isCallable(snapshot: Snapshot, routeId: string, keyIds: ReadonlySet<string>): boolean {
  const route = snapshot.routesById.get(routeId)
  return [...keyIds].some((id) => {
    const apiKey = snapshot.apiKeysById.get(id) ?? null
    const refusal = authorise(route, { apiKey, user: null })
    return refusal === null || refusal === noTargetAvailable
  })
}
