import type { ModelCategory, RouteAffinity, RouteBalancing, ServingState } from '../../routing/config/vocabulary.ts'
import { commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute, type RouteCommandInput } from './edit.ts'
import { maxDescriptionLength, requireText } from '../kit/text.ts'
import { type RouteTimeoutsInput, mergeTimeouts } from './members.ts'

export interface RouteUpdateInput extends RouteCommandInput {
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly categories?: readonly ModelCategory[] | null | undefined
  readonly state?: ServingState | null | undefined
  readonly timeouts?: RouteTimeoutsInput | null | undefined
  readonly affinity?: RouteAffinity | null | undefined
  readonly balancing?: RouteBalancing | null | undefined
  readonly rewritesModel?: boolean | null | undefined
}

/** Changes the given members; omitted and null members stay. The value is the route's id. */
export function updateRoute(control: ControlContext, actor: Actor, input: RouteUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'routeUpdate', input }, (change) => {
    return editRoute(change, {
      ...input,
      kind: 'UPDATED',
      edit(route, faults) {
        faults.attempt(() => requireText(input.description ?? '', ['input', 'description'], maxDescriptionLength))
        return {
          ...route,
          name: input.name ?? route.name,
          description: input.description ?? route.description,
          categories: input.categories ?? route.categories,
          state: input.state ?? route.state,
          timeouts: mergeTimeouts(route.timeouts, input.timeouts),
          affinity: input.affinity ?? route.affinity,
          balancing: input.balancing ?? route.balancing,
          rewritesModel: input.rewritesModel ?? route.rewritesModel,
        }
      },
    })
  })
}
