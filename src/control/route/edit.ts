import { isDeepStrictEqual } from 'node:util'
import { type ConfigurationFault, routeFaults } from '../../routing/config/route-rules.ts'
import { listBackendLabels } from '../../storage/backend/read.ts'
import type { RouteChangeKind, RouteRevisionState } from '../../storage/route/tables.ts'
import { findRouteForUpdate, insertRoute, type RouteDraft, updateRoute } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { auditChanges } from '../change/audit.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import type { Change, EditInput } from '../change/commit.ts'
import { RefusalError, refuseInput } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'

/** The input of every command that changes one route. */
export interface RouteCommandInput extends EditInput {
  readonly route: Ref
}

export interface RouteEdit extends RouteCommandInput {
  readonly kind: RouteChangeKind
  /** The path in the arguments of the route's members; by default `['input']`. */
  readonly path?: readonly string[]
  /** The path in the arguments of a fault of the edited route; by default the fault's path under `path`. */
  readonly pathOf?: (problem: ConfigurationFault, after: RouteDraft) => readonly string[]
  /** Returns the route after the change. Faults that it adds to `faults` are thrown together with those of the route itself. */
  readonly edit: (before: RouteDraft, faults: FaultCollector) => RouteDraft | Promise<RouteDraft>
}

/**
 * Changes one route: lock, compare the revision, edit, check, write, and record. An edit that changes nothing makes no
 * revision. Returns the route's id.
 */
export async function editRoute(change: Change, edit: RouteEdit): Promise<string> {
  const path = edit.path ?? ['input']
  const before = await lockRoute(change, edit.route, [...path, 'route'])
  requireRevision(before, edit.expectedRevision, path)
  const faults = new FaultCollector()
  const after = await edit.edit(before, faults)
  requireSoundOr(faults, after, (problem) => edit.pathOf?.(problem, after) ?? [...path, ...problem.path])
  if (isDeepStrictEqual(before, after)) return before.id
  const revision = await updateRoute(change.tx, before, after)
  record(change, edit.kind, before, { ...after, revision }, await labelsOf(change, [after]))
  return before.id
}

/** Writes a new route with its first revision. `pathOf` and `faults` are as for an edit. */
export async function addRoute(
  change: Change,
  draft: RouteDraft,
  pathOf: (problem: ConfigurationFault) => readonly string[] = ({ path }) => ['input', ...path],
  faults = new FaultCollector(),
): Promise<void> {
  requireSoundOr(faults, draft, pathOf)
  await insertRoute(change.tx, draft)
  record(change, 'CREATED', null, { ...draft, revision: 1 }, await labelsOf(change, [draft]))
}

/** The route, locked. Throws `NOT_FOUND` at `path`. */
export async function lockRoute(change: Change, ref: Ref, path: readonly string[]): Promise<RouteDraft> {
  const route = await findRouteForUpdate(change.tx, ref)
  if (!route) throw refuseInput('NOT_FOUND', path, 'There is no such route.')
  return route
}

/** Throws the collected faults together with those of the route. */
function requireSoundOr(
  faults: FaultCollector,
  route: RouteDraft,
  pathOf: (problem: ConfigurationFault) => readonly string[],
): void {
  faults.attempt(() => requireSound(route, pathOf))
  faults.throwAny()
}

/** Throws the faults of a route after its change. `pathOf` gives the path of a fault in the arguments. */
export function requireSound(route: RouteDraft, pathOf: (problem: ConfigurationFault) => readonly string[]): void {
  // Backends were looked up in this transaction; the compiler looks again.
  const problems = routeFaults(route, () => true)
  if (problems.length === 0) return
  throw new RefusalError(
    ...problems.map((problem) => ({
      kind: 'input' as const,
      code: problem.code,
      path: pathOf(problem),
      message: problem.message,
    })),
  )
}

/** Records a changed route in its history and the audit log, and marks it to be compiled. `labels` are the labels of its backends. */
export function record(
  change: Change,
  kind: RouteChangeKind,
  before: RouteDraft | null,
  after: RouteDraft,
  labels: ReadonlyMap<string, string>,
): void {
  change.addRevision({ routeId: after.id, number: after.revision, kind, state: revisionStateOf(after, labels) })
  change.audit(after.id, auditChanges(before && auditedMembers(before), auditedMembers(after)))
  change.touch(after.id)
}

/** The labels of all backends of these routes, by id. */
export function labelsOf(change: Change, routes: readonly RouteDraft[]): Promise<Map<string, string>> {
  const ids = routes.flatMap(({ targets, fallback }) => [
    ...targets.map(({ backendId }) => backendId),
    ...(fallback?.backendIds ?? []),
  ])
  return listBackendLabels(change.tx, [...new Set(ids)])
}

function revisionStateOf(route: RouteDraft, labels: ReadonlyMap<string, string>): RouteRevisionState {
  const fallbackIds = route.fallback?.backendIds ?? []
  return {
    targets: route.targets.map(({ id, backendId, weight }) => ({
      targetId: id,
      backendId,
      backendLabel: labels.get(backendId) ?? backendId,
      weight,
    })),
    fallback: route.fallback && {
      backends: fallbackIds.map((backendId) => ({ backendId, backendLabel: labels.get(backendId) ?? backendId })),
      triggers: [...route.fallback.triggers],
      maxAttempts: route.fallback.maxAttempts,
    },
    timeouts: route.timeouts,
    affinity: route.affinity,
    balancing: route.balancing,
    rewritesModel: route.rewritesModel,
  }
}

/** What the audit log shows of a route. */
export function auditedMembers(route: RouteDraft): object {
  const { id: _id, revision: _revision, createdAtMs: _createdAt, createdWithId: _createdWith, ...members } = route
  return members
}
