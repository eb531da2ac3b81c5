import type { ConfigurationDelta } from '../config/configuration.ts'
import { createTable, type Table } from '../config/table.ts'
import { type Budget, type LimitSubject, type RateLimit, subjectKey } from './limit.ts'

/** The limits and budgets of a snapshot. The object stays the same until one of them changes. */
export interface SnapshotLimits {
  /** By id. */
  readonly rateLimits: Table<RateLimit>
  /** By `subjectKey`, in order of id; a subject without any has no entry. */
  readonly rateLimitsBySubject: Table<readonly RateLimit[]>
  /** By id. */
  readonly budgets: Table<Budget>
  /** By `subjectKey`, in order of id; a subject without any has no entry. */
  readonly budgetsBySubject: Table<readonly Budget[]>
}

export const emptyLimitTables: SnapshotLimits = {
  rateLimits: createTable(),
  rateLimitsBySubject: createTable(),
  budgets: createTable(),
  budgetsBySubject: createTable(),
}

/** The tables after a change; `base` itself if it touches none of them. */
export function compileLimits(base: SnapshotLimits, { configuration, removed }: ConfigurationDelta): SnapshotLimits {
  const idsOf = (kind: string) => removed.filter((subject) => subject.kind === kind).map((subject) => subject.id)
  const rateLimits = replace(base.rateLimits, base.rateLimitsBySubject, configuration.rateLimits, idsOf('rateLimit'))
  const budgets = replace(base.budgets, base.budgetsBySubject, configuration.budgets, idsOf('budget'))
  if (!rateLimits && !budgets) return base
  return {
    rateLimits: rateLimits?.byId ?? base.rateLimits,
    rateLimitsBySubject: rateLimits?.bySubject ?? base.rateLimitsBySubject,
    budgets: budgets?.byId ?? base.budgets,
    budgetsBySubject: budgets?.bySubject ?? base.budgetsBySubject,
  }
}

interface VisibilitySubject {
  readonly id: string
  readonly subject: LimitSubject
}

interface Replaced<T> {
  readonly byId: Table<T>
  readonly bySubject: Table<readonly T[]>
}

/** The replaced table; undefined if nothing changes. */
function replace<T extends VisibilitySubject>(
  byId: Table<T>,
  bySubject: Table<readonly T[]>,
  changed: readonly T[],
  removedIds: readonly string[],
): Replaced<T> | undefined {
  if (changed.length === 0 && removedIds.length === 0) return undefined
  const gone = new Set([...removedIds, ...changed.map(({ id }) => id)])
  const lists = new Map<string, T[]>()
  /** The new list of a subject, which begins with the unchanged entries. */
  const listOf = (subject: LimitSubject) => {
    const key = subjectKey(subject)
    let list = lists.get(key)
    if (!list) lists.set(key, (list = (bySubject.get(key) ?? []).filter(({ id }) => !gone.has(id))))
    return list
  }
  for (const id of gone) {
    const before = byId.get(id)
    if (before) listOf(before.subject)
  }
  for (const limit of changed) listOf(limit.subject).push(limit)
  return {
    byId: byId.with([
      ...removedIds.map((id) => [id, undefined] as const),
      ...changed.map((limit) => [limit.id, limit] as const),
    ]),
    bySubject: bySubject.with(
      [...lists].map(([key, list]) => [key, list.length === 0 ? undefined : list.sort(byOrderOfId)] as const),
    ),
  }
}

function byOrderOfId(a: VisibilitySubject, b: VisibilitySubject): number {
  return a.id < b.id ? -1 : 1
}
