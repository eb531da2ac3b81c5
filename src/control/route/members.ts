import type { RouteConfiguration, Timeouts } from '../../routing/config/configuration.ts'
import type { BackendRef } from '../../storage/backend/read.ts'
import { createId } from '../../storage/database/create-id.ts'
import { requireBackendIdOr } from '../backend/require-backend.ts'
import type { FaultCollector } from '../kit/collect-faults.ts'
import type { Change } from '../change/commit.ts'

/** The weight of a target if none is given. */
export const defaultWeight = 100

export interface RouteTargetInput {
  readonly backend: BackendRef
  readonly weight?: number
}

/** Omitted or null members stay, or take their default; `keepAliveMs` null: none. */
export type RouteTimeoutsInput = { readonly [Name in keyof Timeouts]?: number | null | undefined }

/** New targets as the caller lists them; backends that do not exist are faults. */
export async function resolveTargets(
  change: Change,
  inputs: readonly RouteTargetInput[],
  path: readonly string[],
  faults: FaultCollector,
): Promise<RouteConfiguration['targets']> {
  const targets = []
  for (const [index, input] of inputs.entries()) {
    const backendId = await requireBackendIdOr(faults, change, input.backend, [...path, String(index), 'backend'])
    targets.push({ id: createId('RouteTarget'), backendId, weight: input.weight ?? defaultWeight })
  }
  return targets
}

export function mergeTimeouts(base: Timeouts, input: RouteTimeoutsInput | null | undefined): Timeouts {
  return {
    connectMs: input?.connectMs ?? base.connectMs,
    firstByteMs: input?.firstByteMs ?? base.firstByteMs,
    answerMs: input?.answerMs ?? base.answerMs,
    idleMs: input?.idleMs ?? base.idleMs,
    totalMs: input?.totalMs ?? base.totalMs,
    keepAliveMs: input?.keepAliveMs === undefined ? base.keepAliveMs : input.keepAliveMs,
  }
}
