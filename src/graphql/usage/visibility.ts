import type { Actor } from '../../control/kit/context.ts'
import type { UsageFilter } from '../../routing/usage/filter.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'

/** The filter, restricted to what the caller may see: a member sees only its own usage. */
export function visibleUsage(actor: Actor, filter: UsageFilter | null | undefined): UsageFilter {
  if (actor.role !== 'MEMBER') return filter ?? {}
  const own = actor.userId === null ? [] : [actor.userId]
  return { ...filter, userIds: filter?.userIds ? own.filter((id) => filter.userIds!.includes(id)) : own }
}

export function maySeeUsage(actor: Actor, record: Pick<UsageRecord, 'userId'>): boolean {
  return actor.role !== 'MEMBER' || (record.userId !== null && record.userId === actor.userId)
}

/** Whether the caller may see upstreams: a member sees only routes and its own use of them. */
export function maySeeUpstreams(actor: Actor): boolean {
  return actor.role !== 'MEMBER'
}
