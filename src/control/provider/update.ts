import type { ServingState } from '../../routing/config/vocabulary.ts'
import type { ProviderDraft } from '../../storage/provider/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { resolveCredentials } from './credentials.ts'
import { type HeaderInput, resolveHeaders } from './headers.ts'
import { type ProviderModelInput, resolveModels } from './models.ts'
import { resolveBaseUrl } from './base-url.ts'
import { type PassthroughRulesInput, resolvePassthroughRules } from '../backend/request-rules.ts'
import { maxDescriptionLength, requireName, requireText } from '../kit/text.ts'
import { editProvider } from './edit.ts'
import { resolveProxyUrl } from './members.ts'
import { refuseInput } from '../kit/refusal.ts'

export interface ProviderUpdateInput extends EditInput, PassthroughRulesInput {
  readonly provider: Ref
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly baseUrl?: string | null | undefined
  /** Replaces all of them. */
  readonly secrets?: readonly string[] | null | undefined
  /** Replaces all of them. */
  readonly headers?: readonly HeaderInput[] | null | undefined
  /** Null: none. */
  readonly proxyUrl?: string | null | undefined
  readonly state?: ServingState | null | undefined
  /** The whole new list; a model whose name was there before keeps its id. */
  readonly models?: readonly ProviderModelInput[] | null | undefined
}

/** Changes the given members; omitted members stay. The value is the provider's id. */
export function updateProvider(
  control: ControlContext,
  actor: Actor,
  input: ProviderUpdateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'providerUpdate', input }, (change) =>
    editProvider(change, input.provider, input.expectedRevision, {
      edit(before) {
        const after = withUpdates(control, before, input)
        requireSecretsAgain(before, after, input)
        return after
      },
    }),
  )
}

function withUpdates(control: ControlContext, before: ProviderDraft, input: ProviderUpdateInput): ProviderDraft {
  const { kind } = before
  const { passage, ...members } = collectMembers({
    name: () => (input.name == null ? before.name : requireName(input.name, ['input', 'name'])),
    description: () =>
      input.description == null
        ? before.description
        : requireText(input.description, ['input', 'description'], maxDescriptionLength),
    baseUrl: () =>
      input.baseUrl == null
        ? before.baseUrl
        : resolveBaseUrl(input.baseUrl, kind, ['input', 'baseUrl'], control.upstreams),
    proxyUrl: () => (input.proxyUrl === undefined ? before.proxyUrl : resolveProxyUrl(control, input.proxyUrl)),
    passage: () => resolvePassthroughRules(input, before),
    credentials: () =>
      input.secrets ? resolveCredentials(input.secrets, before.credentials, ['input', 'secrets']) : before.credentials,
    headers: () => (input.headers ? resolveHeaders(input.headers, kind, ['input', 'headers']) : before.headers),
    models: () => (input.models ? resolveModels(input.models, before.models, ['input', 'models']) : before.models),
  })
  return { ...before, state: input.state ?? before.state, ...members, ...passage }
}

/**
 * Throws unless stored secrets are given again for a new base URL, or for a new proxy over plain HTTP: a secret must not be sent to a
 * host for which it was not entered. Header values are treated as secrets.
 */
function requireSecretsAgain(before: ProviderDraft, after: ProviderDraft, input: ProviderUpdateInput): void {
  const isElsewhere = before.baseUrl !== after.baseUrl
  const isSeenByAnother =
    after.proxyUrl !== null && after.proxyUrl !== before.proxyUrl && new URL(after.baseUrl).protocol === 'http:'
  if (!isElsewhere && !isSeenByAnother) return
  const storedMembers = [
    ...(before.credentials.length > 0 && !input.secrets ? ['secrets'] : []),
    ...(before.headers.length > 0 && !input.headers ? ['headers'] : []),
  ]
  if (storedMembers.length === 0) return
  throw refuseInput(
    'FAILED_PRECONDITION',
    ['input', isElsewhere ? 'baseUrl' : 'proxyUrl'],
    `Stored values would be sent to another host: give ${storedMembers.join(' and ')} too, or an empty list.`,
  )
}
