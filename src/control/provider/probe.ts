import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import { providerHeaders } from '../../routing/vendors/provider-headers.ts'
import { type ModelListFacts, type ProviderKind, providerKindFacts } from '../../routing/vendors/provider-kind.ts'
import type { ModelCategory } from '../../routing/config/vocabulary.ts'
import { findProviderConfiguration } from '../../storage/provider/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { answerQuestion } from '../kit/run-query.ts'
import type { Answer, ControlContext } from '../kit/context.ts'
import { guessCategories } from '../backend/category.ts'
import { parseJson } from '../probe/parse-json.ts'
import { type ListedModel, type ModelListPage, readModelList } from '../probe/model-list.ts'
import { type HeaderInput, resolveHeaders } from './headers.ts'
import { resolveBaseUrl } from './base-url.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireSecret } from '../kit/secret.ts'
import {
  describeFailure,
  describeReason,
  describeStatus,
  refuseUpstream,
  type UpstreamCallFacts,
} from '../probe/upstream-fault.ts'
import { requireProxyUrl } from '../kit/upstream-url.ts'

export interface ProviderDraftInput {
  readonly kind?: ProviderKind
  /** Omitted: the public endpoint of `kind`. */
  readonly baseUrl?: string | null | undefined
  readonly secret?: string | null | undefined
  readonly headers?: readonly HeaderInput[]
  readonly proxyUrl?: string | null | undefined
}

/** A stored provider, or a draft of one. */
export type ProviderProbeInput =
  | { readonly stored: Ref; readonly draft?: null | undefined }
  | { readonly draft: ProviderDraftInput; readonly stored?: null | undefined }

export interface AvailableModel {
  readonly upstreamModel: string
  readonly categories: readonly ModelCategory[]
  /** Whether it is among the provider's models. */
  readonly selected: boolean
  /** The provider that lists the model. */
  readonly provider: Pick<CallableProvider, 'kind' | 'baseUrl'>
}

export interface ProviderProbe {
  /** In the provider's order; empty if it lists none. */
  readonly models: readonly AvailableModel[]
  /** How long the first page took. */
  readonly latencyMs: number
}

/** What is needed to call a provider. */
export type CallableProvider = Pick<
  ProviderConfiguration,
  'kind' | 'baseUrl' | 'headers' | 'proxyUrl' | 'caCertificates'
> & {
  /** In order of preference. */
  readonly secrets: readonly string[]
}

/** Asks a provider which models it has. If the call fails, it is refused with `UPSTREAM_FAILED` and a remedy. */
export function probeProvider(control: ControlContext, input: ProviderProbeInput): Promise<Answer<ProviderProbe>> {
  return answerQuestion(control, async () => {
    if (input.draft) {
      const path = ['input', 'draft']
      return probe(control, resolveDraft(control, input.draft, path), new Set(), path)
    }
    const path = ['input', 'stored']
    const provider = await requireProvider(control, input.stored, path)
    const selected = new Set(provider.models.map((model) => model.upstreamModel))
    return probe(control, callable(provider), selected, path)
  })
}

/** The stored provider with its secrets. Throws `NOT_FOUND` at `path`. */
export async function requireProvider(
  control: ControlContext,
  ref: Ref,
  path: readonly string[],
): Promise<ProviderConfiguration> {
  const provider = await findProviderConfiguration(control.db, control.box, ref)
  if (!provider) throw refuseInput('NOT_FOUND', path, 'There is no such provider.')
  return provider
}

export function callable(provider: ProviderConfiguration): CallableProvider {
  return { ...provider, secrets: provider.credentials.map((credential) => credential.secret) }
}

function resolveDraft(control: ControlContext, draft: ProviderDraftInput, path: readonly string[]): CallableProvider {
  const { kind = 'OPENAI_COMPATIBLE', secret = null, proxyUrl = null } = draft
  if (secret !== null) requireSecret(secret, [...path, 'secret'])
  return {
    kind,
    baseUrl: resolveBaseUrl(draft.baseUrl, kind, [...path, 'baseUrl'], control.upstreams),
    headers: resolveHeaders(draft.headers ?? [], kind, [...path, 'headers']),
    proxyUrl: proxyUrl === null ? null : requireProxyUrl(proxyUrl, [...path, 'proxyUrl'], control.upstreams),
    caCertificates: null,
    secrets: secret === null ? [] : [secret],
  }
}

const maxPages = 10
const maxModels = 10_000

async function probe(
  control: ControlContext,
  provider: CallableProvider,
  selected: ReadonlySet<string>,
  path: readonly string[],
): Promise<ProviderProbe> {
  const first = await askFirstPage(control, provider, path)
  const listed = new Map<string, ListedModel>()
  let { page } = first
  for (let pages = 1; ; pages++) {
    const knownBefore = listed.size
    for (const model of page.models) listed.set(model.name, listed.get(model.name) ?? model)
    // A server that does not know the cursor returns the same page again and again.
    if (listed.size === knownBefore && pages > 1) break
    if (page.cursor === null || pages === maxPages || listed.size >= maxModels) break
    page = requirePage(await askForPage(control, provider, first.secret, page.cursor), path).page
  }
  const models = [...listed.values()].slice(0, maxModels).map(({ name, categories }) => ({
    upstreamModel: name,
    categories: categories ?? guessCategories(name),
    selected: selected.has(name),
    // Secrets are left out, because readers of the list do not need them.
    provider: { kind: provider.kind, baseUrl: provider.baseUrl },
  }))
  return { models, latencyMs: first.latencyMs }
}

type AskedPage = { readonly page: ModelListPage; readonly latencyMs: number; readonly secret: string | null }
type NoPage = { readonly page: null; readonly call: UpstreamCallFacts; readonly fault: string; readonly status: number }

/** Asks with each secret in turn until one is accepted, as the gateway does. */
async function askFirstPage(
  control: ControlContext,
  provider: CallableProvider,
  path: readonly string[],
): Promise<AskedPage> {
  const [first = null, ...others] = provider.secrets
  let asked = await askForPage(control, provider, first, null)
  for (const secret of others) {
    if (asked.page || ![401, 403, 429].includes(asked.status)) break
    asked = await askForPage(control, provider, secret, null)
  }
  return requirePage(asked, path)
}

function requirePage(asked: AskedPage | NoPage, path: readonly string[]): AskedPage {
  if (asked.page === null) throw refuseUpstream(asked.call, asked.fault, path)
  return asked
}

async function askForPage(
  control: ControlContext,
  provider: CallableProvider,
  secret: string | null,
  cursor: string | null,
): Promise<AskedPage | NoPage> {
  const { modelList } = providerKindFacts[provider.kind]
  const url = modelListUrl(provider)
  const result = await control.upstreamHttp.send({
    method: 'GET',
    url: withQuery(url, modelList, cursor),
    headers: new Map([...providerHeaders(provider, secret), ['accept', 'application/json']]),
    body: null,
    proxyUrl: provider.proxyUrl,
    caCertificates: provider.caCertificates,
    timeoutMs: 10_000,
    maxBytes: 4 * 1024 * 1024,
  })
  const call = { method: 'GET', url, hasSecret: secret !== null, proxyUrl: provider.proxyUrl }
  if (result.kind === 'failure') return { page: null, call, fault: describeFailure(result.cause, call), status: 0 }
  const { status, latencyMs } = result
  if (status < 200 || status >= 300) {
    const fault = describeNoList(provider, status, call) + describeReason(result.body, secretsOf(provider))
    return { page: null, call, fault, status }
  }
  const page = result.isCut ? undefined : readModelList(parseJson(result.body), modelList.namePrefix)
  if (!page)
    return {
      page: null,
      call,
      fault: `answered something that is no list of models. Is it the base URL of the API?${describeReason(result.body, secretsOf(provider))}`,
      status,
    }
  return { page, latencyMs, secret }
}

/** The URL of the model list. An absolute URL names another host: it is used only if the secret was entered for that host. */
function modelListUrl({ kind, baseUrl }: CallableProvider): string {
  const { defaultBaseUrl, modelList } = providerKindFacts[kind]
  const isAbsolute = !modelList.url.startsWith('/')
  if (isAbsolute && baseUrl === defaultBaseUrl) return modelList.url
  return baseUrl + (isAbsolute ? '/models' : modelList.url)
}

function withQuery(url: string, { query, cursorParameter }: ModelListFacts, cursor: string | null): string {
  const parameters = new URLSearchParams(query)
  // The name of the cursor parameter is unknown for other vendors, so both OpenAI's and Anthropic's are sent.
  if (cursor !== null)
    for (const name of cursorParameter ? [cursorParameter] : ['after', 'after_id']) parameters.set(name, cursor)
  return parameters.size === 0 ? url : `${url}?${parameters.toString()}`
}

function describeNoList({ kind }: CallableProvider, status: number, call: UpstreamCallFacts): string {
  if (status === 404 && providerKindFacts[kind].modelList.source === null)
    return `answered 404, and ${kind} documents no list of models: enter the names of its models by hand.`
  return describeStatus(status, call)
}

function secretsOf({ secrets, headers }: CallableProvider): string[] {
  return [...secrets, ...headers.map(({ value }) => value)]
}
