/** Finds the limits and budgets that apply to a request by the ids of their subjects, independent of the number of others. */
import type { Caller } from '../access/authorise.ts'
import type { Backend, Route } from '../config/snapshot.ts'
import type { Table } from '../config/table.ts'
import { installationKey, type LimitDimension } from './limit.ts'

/** Calls `found` with each limit of the installation, the caller and the route, in this order. */
export function forEachOfCaller<Limit>(
  bySubject: Table<readonly Limit[]>,
  { apiKey, user }: Caller,
  route: Route,
  found: (limit: Limit) => void,
): void {
  bySubject.get(installationKey)?.forEach(found)
  if (user) bySubject.get(user.id)?.forEach(found)
  if (apiKey) bySubject.get(apiKey.id)?.forEach(found)
  bySubject.get(route.id)?.forEach(found)
}

/** Calls `found` with each limit of the provider and its model, or of the deployment. */
export function forEachOfBackend<Limit>(
  bySubject: Table<readonly Limit[]>,
  backend: Backend,
  found: (limit: Limit) => void,
): void {
  if (backend.kind === 'providerModel') bySubject.get(backend.provider.id)?.forEach(found)
  bySubject.get(backend.id)?.forEach(found)
}

/** Stands for a dimension without a value: a request without a key has no key and no user. */
export const noId = '-'

/** The part of a limit in which a request is counted: the ids of the dimensions, in their order; empty if the limit has no dimensions. */
export function bucketKey(per: readonly LimitDimension[], caller: Caller, route: Route): string {
  if (per.length === 0) return ''
  if (per.length === 1) return idOf(per[0]!, caller, route)
  return per.map((dimension) => idOf(dimension, caller, route)).join(' ')
}

function idOf(dimension: LimitDimension, { apiKey, user }: Caller, route: Route): string {
  switch (dimension) {
    case 'API_KEY':
      return apiKey?.id ?? noId
    case 'USER':
      return user?.id ?? noId
    case 'ROUTE':
      return route.id
  }
}
