import { defaultMaxAttempts, defaultTriggers, type RouteConfiguration } from '../../routing/config/configuration.ts'
import type { FallbackTrigger } from '../../routing/config/vocabulary.ts'
import type { BackendRef } from '../../storage/backend/read.ts'
import { requireBackendIdOr } from '../backend/require-backend.ts'
import type { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute, type RouteCommandInput } from './edit.ts'

export interface RouteFallbackInput {
  /** In the order in which they are tried. */
  readonly backends: readonly BackendRef[]
  readonly triggers?: readonly FallbackTrigger[]
  readonly maxAttempts?: number
}

export interface RouteFallbackSetInput extends RouteCommandInput {
  /** Null: none. */
  readonly fallback?: RouteFallbackInput | null | undefined
}

/** Gives a route another fallback, or none. The value is the route's id. */
export function setRouteFallback(
  control: ControlContext,
  actor: Actor,
  input: RouteFallbackSetInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeFallbackSet', input }, (change) =>
    editRoute(change, {
      ...input,
      kind: 'FALLBACK_SET',
      edit: async (route, faults) => ({
        ...route,
        fallback: input.fallback ? await resolveFallback(change, input.fallback, ['input', 'fallback'], faults) : null,
      }),
    }),
  )
}

/** The stored form of the fallback. Backends that do not exist are faults. */
export async function resolveFallback(
  change: Change,
  input: RouteFallbackInput,
  path: readonly string[],
  faults: FaultCollector,
): Promise<NonNullable<RouteConfiguration['fallback']>> {
  const backendIds = []
  for (const [index, ref] of input.backends.entries())
    backendIds.push(await requireBackendIdOr(faults, change, ref, [...path, 'backends', String(index)]))
  return {
    backendIds,
    triggers: [...new Set(input.triggers ?? defaultTriggers)],
    maxAttempts: input.maxAttempts ?? defaultMaxAttempts,
  }
}
