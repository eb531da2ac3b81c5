import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import { createId } from '../../storage/database/create-id.ts'
import { insertProvider, type ProviderDraft } from '../../storage/provider/write.ts'
import { requireFreeLabels } from '../backend/label.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { resolveCredentials } from './credentials.ts'
import { type HeaderInput, resolveHeaders } from './headers.ts'
import { type ProviderModelInput, resolveModels } from './models.ts'
import { resolveBaseUrl } from './base-url.ts'
import { type PassthroughRulesInput, resolvePassthroughRules } from '../backend/request-rules.ts'
import { maxDescriptionLength, requireName, requireText } from '../kit/text.ts'
import { record } from './record.ts'
import { newLabels, placeInModels } from './edit.ts'
import { resolveProxyUrl } from './members.ts'

export interface ProviderCreateInput extends CreateInput, PassthroughRulesInput {
  readonly name: string
  readonly description?: string
  readonly kind?: ProviderKind
  /** Omitted: the public endpoint of `kind`. */
  readonly baseUrl?: string | null | undefined
  /** In order of preference. */
  readonly secrets?: readonly string[]
  readonly headers?: readonly HeaderInput[]
  readonly proxyUrl?: string | null | undefined
  readonly models?: readonly ProviderModelInput[]
}

/** Makes a provider. The value is its id. */
export function createProvider(
  control: ControlContext,
  actor: Actor,
  input: ProviderCreateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerCreate', input }, async (change) => {
    const { providerId } = await makeOnce(change, input, 'providerId', async () => {
      const draft = draftProvider(control, input)
      await insertProvider(change.tx, control.box, draft)
      record(change, null, draft)
      await requireFreeLabels(change, draft.id, newLabels(null, draft, placeInModels))
      return { providerId: draft.id }
    })
    return providerId
  })
}

function draftProvider(control: ControlContext, input: ProviderCreateInput): ProviderDraft {
  const { kind = 'OPENAI_COMPATIBLE', description = '' } = input
  const { passage, ...members } = collectMembers({
    name: () => requireName(input.name, ['input', 'name']),
    description: () => requireText(description, ['input', 'description'], maxDescriptionLength),
    baseUrl: () => resolveBaseUrl(input.baseUrl, kind, ['input', 'baseUrl'], control.upstreams),
    proxyUrl: () => resolveProxyUrl(control, input.proxyUrl ?? null),
    passage: () => resolvePassthroughRules(input),
    credentials: () => resolveCredentials(input.secrets ?? [], [], ['input', 'secrets']),
    headers: () => resolveHeaders(input.headers ?? [], kind, ['input', 'headers']),
    models: () => resolveModels(input.models ?? [], [], ['input', 'models']),
  })
  return { id: createId('Provider'), revision: 1, kind, state: 'ACTIVE', ...members, ...passage }
}
