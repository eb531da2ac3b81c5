import type { HealthCheck } from '../../routing/config/configuration.ts'
import { engineFacts } from '../../routing/vendors/engine.ts'
import type { DeploymentEngine } from '../../routing/config/vocabulary.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

export interface HealthCheckInput {
  /** Omitted: the health path of the engine. */
  readonly path?: string | null | undefined
  readonly intervalMs?: number
  readonly timeoutMs?: number
  readonly unhealthyThreshold?: number
  readonly healthyThreshold?: number
}

/** The stored form of the check; null if there is none. Throws `INVALID` at the path of the fault. */
export function resolveHealthCheck(
  input: HealthCheckInput | null,
  engine: DeploymentEngine,
  at: readonly string[],
): HealthCheck | null {
  if (input === null) return null
  return collectMembers<HealthCheck>({
    path: () => requirePath(input.path ?? engineFacts[engine].healthPath, engine, [...at, 'path']),
    intervalMs: () => requireBetween(input.intervalMs ?? 5_000, 500, 3_600_000, [...at, 'intervalMs']),
    timeoutMs: () => requireBetween(input.timeoutMs ?? 2_000, 50, 60_000, [...at, 'timeoutMs']),
    unhealthyThreshold: () => requireBetween(input.unhealthyThreshold ?? 3, 1, 100, [...at, 'unhealthyThreshold']),
    healthyThreshold: () => requireBetween(input.healthyThreshold ?? 1, 1, 100, [...at, 'healthyThreshold']),
  })
}

function requirePath(path: string | null, engine: DeploymentEngine, at: readonly string[]): string {
  if (path === null)
    throw refuseInput(
      'INVALID',
      at,
      `The health path of the engine ${engine} is not known: give the path of the health check.`,
    )
  if (path.length > 1_024 || !/^\/(?!\/)[\x21-\x7e]*$/.test(path) || path.includes('#') || path.includes('\\'))
    throw refuseInput(
      'INVALID',
      at,
      'A health path begins with one "/" and has at most 1,024 visible ASCII characters.',
    )
  return path
}

function requireBetween(value: number, least: number, most: number, at: readonly string[]): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw refuseInput('INVALID', at, `It is a whole number from ${least} to ${most}.`)
  return value
}
