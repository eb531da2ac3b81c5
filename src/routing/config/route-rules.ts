/** The rules for routes. `compile` refuses a route that breaks them, so no such route is committed. */
import type { RouteConfiguration, Timeouts } from './configuration.ts'

export interface ConfigurationFault {
  /** The id of the object that is at fault. */
  readonly subjectId: string
  readonly code: 'INVALID' | 'TAKEN' | 'NOT_FOUND' | 'LIMIT_EXCEEDED' | 'FAILED_PRECONDITION'
  /** Where in the configuration of the object, e.g. `['targets', '0', 'weight']`. */
  readonly path: readonly string[]
  readonly message: string
}

export const maxTargets = 64
export const maxWeight = 1_000_000
export const maxFallbackBackends = 8
export const maxAttemptsBound = 9
export const maxAccessEntries = 1_000
/** The longest timeout: one day. */
export const maxTimeoutMs = 86_400_000

export const routeNameRule =
  'A route name has 1 to 128 characters of A-Z a-z 0-9 . _ : / - and begins and ends with a letter or digit.'

/** 1 to 128 characters of `A-Z a-z 0-9 . _ : / -`, beginning and ending with a letter or digit. */
export function isRouteName(name: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,126}[A-Za-z0-9])?$/.test(name)
}

/**
 * The faults of a route, in the order of its members; empty if it can be served. `isBackend` says whether a provider model or
 * deployment with that id exists.
 */
export function routeFaults(route: RouteConfiguration, isBackend: (id: string) => boolean): ConfigurationFault[] {
  const problems: ConfigurationFault[] = []
  const report = (code: ConfigurationFault['code'], path: readonly string[], message: string) =>
    problems.push({ subjectId: route.id, code, path, message })
  checkName(route, report)
  checkTargets(route, isBackend, report)
  checkFallback(route, isBackend, report)
  checkTimeouts(route, report)
  checkAccess(route, report)
  return problems
}

type Report = (code: ConfigurationFault['code'], path: readonly string[], message: string) => void

function checkName(route: RouteConfiguration, report: Report): void {
  if (isRouteName(route.name)) return
  report('INVALID', ['name'], routeNameRule)
}

function checkTargets(route: RouteConfiguration, isBackend: (id: string) => boolean, report: Report): void {
  const { targets } = route
  if (targets.length === 0) report('INVALID', ['targets'], 'A route needs at least one target.')
  if (targets.length > maxTargets) report('LIMIT_EXCEEDED', ['targets'], `A route has at most ${maxTargets} targets.`)
  const seen = new Set<string>()
  for (const [index, target] of targets.entries()) {
    const path = ['targets', String(index)]
    if (!Number.isInteger(target.weight) || target.weight < 0 || target.weight > maxWeight)
      report('INVALID', [...path, 'weight'], `A weight is a whole number from 0 to ${maxWeight}.`)
    if (!isBackend(target.backendId)) report('NOT_FOUND', [...path, 'backend'], 'There is no such backend.')
    if (seen.has(target.backendId))
      report('INVALID', [...path, 'backend'], 'The route has this backend as a target already.')
    seen.add(target.backendId)
  }
  if (targets.length > 0 && targets.every((target) => target.weight === 0))
    report('INVALID', ['targets'], 'At least one target needs a weight above 0: the route could not serve anything.')
}

function checkFallback(route: RouteConfiguration, isBackend: (id: string) => boolean, report: Report): void {
  const { fallback } = route
  if (!fallback) return
  const path = ['fallback']
  const { backendIds, triggers, maxAttempts } = fallback
  if (backendIds.length === 0) report('INVALID', [...path, 'backends'], 'A fallback needs at least one backend.')
  if (backendIds.length > maxFallbackBackends)
    report('LIMIT_EXCEEDED', [...path, 'backends'], `A fallback has at most ${maxFallbackBackends} backends.`)
  if (triggers.length === 0)
    report('INVALID', [...path, 'triggers'], 'A fallback without triggers would never be used.')
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > maxAttemptsBound)
    report('INVALID', [...path, 'maxAttempts'], `maxAttempts is a whole number from 1 to ${maxAttemptsBound}.`)
  const targetBackendIds = new Set(route.targets.map((target) => target.backendId))
  for (const [index, id] of backendIds.entries()) {
    const at = [...path, 'backends', String(index)]
    if (!isBackend(id)) report('NOT_FOUND', at, 'There is no such backend.')
    if (backendIds.indexOf(id) !== index) report('INVALID', at, 'The backend stands in the fallback twice.')
    if (targetBackendIds.has(id))
      report('INVALID', at, 'A backend is a weighted target or a fallback of a route, not both. Remove one of the two.')
  }
}

function checkTimeouts(route: RouteConfiguration, report: Report): void {
  for (const [name, value] of Object.entries(route.timeouts) as [keyof Timeouts, number | null][]) {
    if (value === null && name === 'keepAliveMs') continue
    if (value === null || !Number.isInteger(value) || value < 1 || value > maxTimeoutMs)
      report('INVALID', ['timeouts', name], `${name} is a whole number of milliseconds from 1 to ${maxTimeoutMs}.`)
  }
}

function checkAccess(route: RouteConfiguration, report: Report): void {
  const { policy, userIds, apiKeyIds } = route.access
  if (policy !== 'RESTRICTED' && userIds.length + apiKeyIds.length > 0)
    report('INVALID', ['access', 'policy'], 'Users and keys are listed only with the policy RESTRICTED.')
  for (const [name, ids] of [
    ['userIds', userIds],
    ['apiKeyIds', apiKeyIds],
  ] as const) {
    if (ids.length > maxAccessEntries)
      report('LIMIT_EXCEEDED', ['access', name], `At most ${maxAccessEntries} can be listed.`)
  }
}
