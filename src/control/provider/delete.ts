import { deleteProvider } from '../../storage/provider/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { dropLimits } from '../limit/drop.ts'
import { requireRevision } from '../change/require-revision.ts'
import { lockProvider, requireUnused } from './edit.ts'
import { record } from './record.ts'

export interface ProviderDeleteInput extends EditInput {
  readonly provider: Ref
}

/** Removes a provider; refused while a route uses one of its models. The value is the provider's id. */
export function removeProvider(
  control: ControlContext,
  actor: Actor,
  input: ProviderDeleteInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerDelete', input }, async (change) => {
    const provider = await lockProvider(change, input.provider)
    requireRevision(provider, input.expectedRevision)
    const modelIds = provider.models.map((model) => model.id)
    await requireUnused(change, modelIds, ['input', 'provider'], `a model of ${provider.name}`)
    await dropLimits(change, [provider.id, ...modelIds])
    await deleteProvider(change.tx, provider.id)
    record(change, provider, null)
    return provider.id
  })
}
