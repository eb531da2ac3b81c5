import { isDeepStrictEqual } from 'node:util'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type { ServingState } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import {
  deleteProvider,
  findProviderForUpdate,
  insertProvider,
  type ProviderDraft,
  updateProvider as writeProvider,
} from '../../storage/provider/write.ts'
import { listRouteIdsOfBackends } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { auditChanges } from '../change/audit.ts'
import { type GivenLabel, requireFreeLabels } from '../backend/label.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { dropLimits } from '../limit/drop.ts'
import { makeOnce } from '../change/idempotency.ts'
import { resolveCredentials } from './credentials.ts'
import { type HeaderInput, resolveHeaders } from './headers.ts'
import { type ProviderModelInput, resolveModels } from './models.ts'
import { resolveBaseUrl } from './base-url.ts'
import { refuseInput, RefusalError } from '../kit/refusal.ts'
import { type PassthroughRulesInput, resolvePassthroughRules } from '../backend/request-rules.ts'
import { requireRevision } from '../change/require-revision.ts'
import { maxDescriptionLength, requireName, requireText } from '../kit/text.ts'
import { requireProxyUrl } from '../kit/upstream-url.ts'

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

/** Changes what is given; omitted members stay. The value is the provider's id. */
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

export interface ProviderEdit {
  readonly placeOfProvider?: readonly string[]
  /** Where a model stands in the arguments, by its place in the provider's list; null: the list. */
  readonly placeOfModel?: (index: number | null) => readonly string[]
  /** The provider as it shall be. */
  readonly edit: (before: ProviderDraft) => ProviderDraft
}

/** Changes one provider: lock, compare the revision, edit, write and record. Returns its id. */
export async function editProvider(
  change: Change,
  ref: Ref,
  expectedRevision: number | null | undefined,
  { placeOfProvider, placeOfModel = placeInModels, edit }: ProviderEdit,
): Promise<string> {
  const before = await lockProvider(change, ref, placeOfProvider)
  requireRevision(before, expectedRevision)
  const after = edit(before)
  if (isDeepStrictEqual(before, after)) return before.id
  const modelIds = modelIdsLeftOut(before, after)
  await requireUnused(change, modelIds, placeOfModel(null), 'a model that is left out')
  await dropLimits(change, modelIds)
  await writeProvider(change.tx, change.control.box, before, after)
  record(change, before, after)
  await requireFreeLabels(change, before.id, newLabels(before, after, placeOfModel))
  return before.id
}

function placeInModels(index: number | null): readonly string[] {
  return index === null ? ['input', 'models'] : ['input', 'models', String(index), 'upstreamModel']
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

function resolveProxyUrl(control: ControlContext, text: string | null): string | null {
  return text === null ? null : requireProxyUrl(text, ['input', 'proxyUrl'], control.upstreams)
}

/**
 * What is stored goes to no host that it was not entered for: neither to another base URL nor, in the clear, to another
 * proxy. The values of headers are kept as secrets, and may be some.
 */
function requireSecretsAgain(before: ProviderDraft, after: ProviderDraft, input: ProviderUpdateInput): void {
  const isElsewhere = before.baseUrl !== after.baseUrl
  const isSeenByAnother =
    after.proxyUrl !== null && after.proxyUrl !== before.proxyUrl && new URL(after.baseUrl).protocol === 'http:'
  if (!isElsewhere && !isSeenByAnother) return
  const kept = [
    ...(before.credentials.length > 0 && !input.secrets ? ['secrets'] : []),
    ...(before.headers.length > 0 && !input.headers ? ['headers'] : []),
  ]
  if (kept.length === 0) return
  throw refuseInput(
    'FAILED_PRECONDITION',
    ['input', isElsewhere ? 'baseUrl' : 'proxyUrl'],
    `What is stored would be sent to another host: give ${kept.join(' and ')} too, or an empty list.`,
  )
}

/** The labels that its models did not have before: a new name changes them all. */
function newLabels(
  before: ProviderDraft | null,
  after: ProviderDraft,
  placeOfModel: (index: number) => readonly string[],
): GivenLabel[] {
  const isRenamed = before?.name !== after.name
  const known = new Set(isRenamed ? [] : before?.models.map((model) => model.upstreamModel))
  return after.models.flatMap(({ upstreamModel }, index) => {
    const path = before && isRenamed ? ['input', 'name'] : placeOfModel(index)
    return known.has(upstreamModel) ? [] : [{ label: `${after.name}/${upstreamModel}`, path }]
  })
}

function modelIdsLeftOut(before: ProviderDraft, after: ProviderDraft): string[] {
  const kept = new Set(after.models.map((model) => model.id))
  return before.models.map((model) => model.id).filter((id) => !kept.has(id))
}

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

async function lockProvider(
  change: Change,
  ref: Ref,
  path = ['input', 'provider'] as readonly string[],
): Promise<ProviderDraft> {
  const provider = await findProviderForUpdate(change.tx, change.control.box, ref)
  if (!provider) throw refuseInput('NOT_FOUND', path, 'There is no such provider.')
  return provider
}

async function requireUnused(
  change: Change,
  modelIds: readonly string[],
  path: readonly string[],
  what: string,
): Promise<void> {
  if (modelIds.length === 0) return
  const usedByIds = await listRouteIdsOfBackends(change.tx, modelIds, 20)
  if (usedByIds.length === 0) return
  throw new RefusalError({
    kind: 'inUse',
    code: 'IN_USE',
    path,
    message: `Routes use ${what}: replace or remove their targets and fallbacks first.`,
    usedByIds,
  })
}

const secretFields = ['secrets', 'headerValues']

function record(change: Change, before: ProviderDraft | null, after: ProviderDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after), secretFields))
  change.touch(id)
}

function auditedMembers(draft: ProviderDraft): object {
  const { name, description, kind, baseUrl, state, proxyUrl, requestRules, caCertificates } = draft
  return {
    name,
    description,
    kind,
    baseUrl,
    state,
    proxyUrl,
    requestRules,
    caCertificates,
    secrets: draft.credentials.map((credential) => credential.secret),
    headerNames: draft.headers.map((header) => header.name),
    headerValues: draft.headers.map((header) => header.value),
    models: draft.models.map(({ id: _id, ...model }) => model),
  }
}
