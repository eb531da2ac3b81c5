import type { ApiKeyDraft } from '../../storage/api-key/write.ts'
import { requireWithin } from './authority.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { requireName } from '../kit/text.ts'
import { editApiKey, requireUnrevoked } from './edit.ts'
import { resolveRouteIds, requireFuture } from './members.ts'

export interface ApiKeyUpdateInput extends EditInput {
  readonly id: string
  readonly name?: string | null | undefined
  /** Null: all routes that the owner may call. */
  readonly routeIds?: readonly string[] | null | undefined
  /** Null: never. */
  readonly expiresAt?: Date | null | undefined
}

/** Changes the given members; omitted members stay. The value is the key's id. */
export function updateApiKey(control: ControlContext, actor: Actor, input: ApiKeyUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'apiKeyUpdate', input }, (change) =>
    editApiKey(change, input, ['input', 'expiresAt'], async (before) => {
      requireUnrevoked(before)
      const given = { ...before, routeIds: withDefault(input.routeIds, before.routeIds) }
      await requireWithin(change, { ...given, expiresAt: withDefault(input.expiresAt, before.expiresAt) })
      const faults = new FaultCollector()
      const name = input.name == null ? before.name : faults.attempt(() => requireName(input.name!, ['input', 'name']))
      const routeIds =
        input.routeIds === undefined
          ? before.routeIds
          : await faults.attemptAsync(() => resolveRouteIds(change, input.routeIds))
      const expiresAt = faults.attempt(() => resolveExpiry(before, input.expiresAt))
      faults.throwAny()
      return { ...before, name: name!, routeIds: routeIds ?? null, expiresAt: expiresAt ?? null }
    }),
  )
}

export function withDefault<T>(given: T | undefined, before: T): T {
  return given === undefined ? before : given
}

/** The new expiry. It must be in the future unless it is unchanged. */
export function resolveExpiry(before: ApiKeyDraft, given: Date | null | undefined): Date | null {
  const isSame = given === undefined || (given?.getTime() ?? null) === (before.expiresAt?.getTime() ?? null)
  return isSame ? before.expiresAt : requireFuture(given)
}
