import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import { isRouteName } from '../../routing/config/route-rules.ts'
import { createId } from '../../storage/database/create-id.ts'
import { findProviderForUpdate } from '../../storage/provider/write.ts'
import type { RouteDraft } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { addRoute } from '../route/edit.ts'
import { makeOnce } from '../change/idempotency.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'
import { defaultWeight } from '../route/members.ts'
import { newRoute } from '../route/create.ts'
import { type RouteAccessInput, resolveAccess } from '../route/access.ts'

export interface ProviderRouteCreateInput extends CreateInput {
  readonly provider: Ref
  /** Omitted: the first one. */
  readonly model?: string | null | undefined
  /** Omitted: the model's name. */
  readonly name?: string | null | undefined
  readonly access?: RouteAccessInput | null | undefined
}

/** Creates a route to one model of a provider: by default the first model, with its name. The value is the route's id. */
export function createProviderRoute(
  control: ControlContext,
  actor: Actor,
  input: ProviderRouteCreateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerRouteCreate', input }, async (change) => {
    const { routeId } = await makeOnce(change, input, 'routeId', async () => {
      const faults = new FaultCollector()
      const route = await draftProviderRoute(change, input, faults)
      await addRoute(change, route, undefined, faults)
      return { routeId: route.id }
    })
    return routeId
  })
}

async function draftProviderRoute(
  change: Change,
  input: ProviderRouteCreateInput,
  faults: FaultCollector,
): Promise<RouteDraft> {
  const model = await requireModel(change, input)
  return {
    ...newRoute(input.name ?? routeNameOf(model.upstreamModel)),
    categories: model.categories,
    targets: [{ id: createId('RouteTarget'), backendId: model.id, weight: defaultWeight }],
    access: await resolveAccess(change, input.access, ['input', 'access'], faults),
  }
}

async function requireModel(
  change: Change,
  { provider: ref, model: name }: ProviderRouteCreateInput,
): Promise<ProviderConfiguration['models'][number]> {
  const provider = await findProviderForUpdate(change.tx, change.control.box, ref)
  if (!provider) throw refuseInput('NOT_FOUND', ['input', 'provider'], 'There is no such provider.')
  const [first] = provider.models
  if (!first)
    throw refuseOperation(
      'FAILED_PRECONDITION',
      `${provider.name} has no models: add some with providerUpdate; providerProbe shows which it has.`,
      ['input', 'provider'],
    )
  const model = name == null ? first : provider.models.find((each) => each.upstreamModel === name)
  if (!model) throw refuseInput('NOT_FOUND', ['input', 'model'], `${provider.name} has no such model.`)
  return model
}

/** The model's name, reduced to the characters of route names. Throws `INVALID` if nothing is left. */
function routeNameOf(upstreamModel: string): string {
  const name = trimmed(trimmed(upstreamModel.replace(/[^A-Za-z0-9._:/-]+/g, '-')).slice(0, 128))
  if (!isRouteName(name))
    throw refuseInput('INVALID', ['input', 'name'], `${upstreamModel} cannot be made into a route's name: give one.`)
  return name
}

function trimmed(name: string): string {
  return name.replace(/^[^A-Za-z0-9]+/, '').replace(/[^A-Za-z0-9]+$/, '')
}
