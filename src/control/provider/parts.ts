/** Changes of one model or credential of a provider: the others stay as they are. */
import { findProviderIdOfCredential, type ProviderDraft } from '../../storage/provider/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { type Change, commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editProvider } from './edit.ts'
import { resolveCredentials } from './credentials.ts'
import { type ProviderModelInput, resolveModels } from './models.ts'
import { refuseInput, type RefusalError } from '../kit/refusal.ts'

export interface ProviderModelAddInput extends EditInput {
  readonly provider: Ref
  readonly model: ProviderModelInput
}

/** Adds a model at the end of the list. The value is the provider's id. */
export function addProviderModel(
  control: ControlContext,
  actor: Actor,
  input: ProviderModelAddInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerModelAdd', input }, (change) =>
    editProvider(change, input.provider, input.expectedRevision, {
      placeOfModel: () => ['input', 'model', 'upstreamModel'],
      edit(before) {
        const [added] = resolveModels([input.model], [], ['input', 'model'], () => ['input', 'model'])
        if (before.models.some((model) => model.upstreamModel === added!.upstreamModel))
          throw refuseInput('TAKEN', ['input', 'model', 'upstreamModel'], 'The provider has this model already.')
        return { ...before, models: requireFew([...before.models, added!], 500, ['input', 'model'], 'models') }
      },
    }),
  )
}

/** A model by the names of its provider and its own. */
export interface ProviderModelRef {
  readonly provider: string
  readonly model: string
}

export interface ProviderModelUpdateInput extends EditInput, Omit<ProviderModelInput, 'upstreamModel'> {
  readonly model: ProviderModelRef
}

/** Changes the given members of one model; omitted members stay. The value is the provider's id. */
export function updateProviderModel(
  control: ControlContext,
  actor: Actor,
  input: ProviderModelUpdateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerModelUpdate', input }, (change) =>
    editModel(change, input, (model) => {
      const { categories, pricing, operations, contextTokens } = input
      const given = { upstreamModel: model.upstreamModel, categories, pricing, operations, contextTokens }
      return resolveModels([given], [model], ['input'], () => ['input'])
    }),
  )
}

export interface ProviderModelRemoveInput extends EditInput {
  readonly model: ProviderModelRef
}

/** Removes one model; refused while a route uses it. The value is the provider's id. */
export function removeProviderModel(
  control: ControlContext,
  actor: Actor,
  input: ProviderModelRemoveInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerModelRemove', input }, (change) =>
    editModel(change, input, () => []),
  )
}

function editModel(
  change: Change,
  { model: ref, expectedRevision }: EditInput & { readonly model: ProviderModelRef },
  edit: (model: ProviderDraft['models'][number]) => ProviderDraft['models'],
): Promise<string> {
  return editProvider(change, { name: ref.provider }, expectedRevision, {
    placeOfProvider: ['input', 'model', 'provider'],
    placeOfModel: () => ['input', 'model'],
    edit(before) {
      if (!before.models.some((model) => model.upstreamModel === ref.model))
        throw refuseInput('NOT_FOUND', ['input', 'model', 'model'], `${before.name} has no such model.`)
      const models = before.models.flatMap((model) => (model.upstreamModel === ref.model ? edit(model) : [model]))
      return { ...before, models }
    },
  })
}

export interface ProviderCredentialAddInput extends EditInput {
  readonly provider: Ref
  readonly secret: string
  /** Whether this secret is used before the others. */
  readonly preferred?: boolean
}

/** Adds a secret. The value is the provider's id. */
export function addProviderCredential(
  control: ControlContext,
  actor: Actor,
  input: ProviderCredentialAddInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerCredentialAdd', input }, (change) =>
    editProvider(change, input.provider, input.expectedRevision, {
      edit(before) {
        const [added] = resolveCredentials([input.secret], [], ['input'], () => ['input', 'secret'])
        if (before.credentials.some(({ secret }) => secret === input.secret))
          throw refuseInput('TAKEN', ['input', 'secret'], 'The provider has this secret already.')
        const all = input.preferred ? [added!, ...before.credentials] : [...before.credentials, added!]
        return { ...before, credentials: requireFew(all, 16, ['input', 'secret'], 'secrets') }
      },
    }),
  )
}

export interface ProviderCredentialRemoveInput extends EditInput {
  readonly id: string
}

/** Removes a secret. The value is the provider's id. */
export function removeProviderCredential(
  control: ControlContext,
  actor: Actor,
  input: ProviderCredentialRemoveInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerCredentialRemove', input }, async (change) => {
    const id = await findProviderIdOfCredential(change.tx, input.id)
    if (!id) throw noSuchCredential()
    return editProvider(change, { id }, input.expectedRevision, {
      edit(before) {
        const credentials = before.credentials.filter((credential) => credential.id !== input.id)
        // It may have gone before its provider was locked.
        if (credentials.length === before.credentials.length) throw noSuchCredential()
        return { ...before, credentials }
      },
    })
  })
}

function noSuchCredential(): RefusalError {
  return refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such credential.')
}

function requireFew<T>(items: readonly T[], most: number, path: readonly string[], what: string): readonly T[] {
  if (items.length <= most) return items
  throw refuseInput('LIMIT_EXCEEDED', path, `A provider has at most ${most} ${what}.`)
}
