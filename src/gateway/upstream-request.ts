/** Where an attempt goes, and what it sends besides the body. */
import type { AttemptPlan } from '../routing/next-attempt.ts'
import { type Operation, upstreamPathOf } from '../routing/operation.ts'
import { providerKindFacts } from '../routing/provider-kind.ts'
import type { DeploymentBackend, ProviderUpstream } from '../routing/snapshot.ts'
import type { CallRequest } from './upstream-call.ts'

/** What the client's request contributes. */
export interface ClientPart {
  readonly operation: Operation
  /** With its question mark; empty: there is none. */
  readonly query: string
  readonly forwarded: readonly string[]
  readonly requestId: string
}

/** Never from a configured header: they frame the message, or are what undici writes itself. */
const framingNames = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export function upstreamRequest(plan: AttemptPlan, client: ClientPart): Omit<CallRequest, 'body'> {
  const { backend } = plan
  const base = baseOf(plan.endpoint ?? upstreamOf(plan), plan.endpoint?.url)
  const own = backend.kind === 'deployment' ? deploymentHeaders(backend) : providerHeaders(plan, backend.provider)
  return {
    origin: base.origin,
    path: upstreamPathOf(base.path, client.operation) + joinQueries(base.query, client.query),
    headers: mergeHeaders(client, own),
  }
}

function upstreamOf({ backend }: AttemptPlan): ProviderUpstream {
  if (backend.kind === 'deployment') throw new Error('an attempt at a deployment names its endpoint')
  return backend.provider
}

interface Base {
  readonly origin: string
  readonly path: string
  readonly query: string
}

/** By the snapshot's own object: it is parsed once for as long as it does not change. */
const bases = new WeakMap<object, Base>()

function baseOf(owner: object, endpointUrl: string | undefined): Base {
  const known = bases.get(owner)
  if (known) return known
  const url = new URL(endpointUrl ?? (owner as ProviderUpstream).baseUrl)
  const base = { origin: url.origin, path: url.pathname, query: url.search }
  bases.set(owner, base)
  return base
}

function joinQueries(base: string, client: string): string {
  return base === '' || client === '' ? base + client : `${base}&${client.slice(1)}`
}

interface OwnHeaders {
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  readonly names: ReadonlySet<string>
  /** Sent unless the client says otherwise. */
  readonly defaults: readonly { readonly name: string; readonly value: string }[]
}

const ownHeaders = new WeakMap<object, OwnHeaders>()

function deploymentHeaders(backend: DeploymentBackend): OwnHeaders {
  let own = ownHeaders.get(backend)
  if (!own) {
    own = toOwn(backend.secret === null ? [] : [['authorization', `Bearer ${backend.secret}`]], [])
    ownHeaders.set(backend, own)
  }
  return own
}

function providerHeaders(plan: AttemptPlan, provider: ProviderUpstream): OwnHeaders {
  // A provider without a credential has the same headers for all its models.
  const owner = plan.credential ?? provider
  let own = ownHeaders.get(owner)
  if (!own) {
    const facts = providerKindFacts[provider.kind]
    const configured = provider.headers
      .map(({ name, value }) => [name.toLowerCase(), value] as const)
      .filter(([name]) => !framingNames.has(name))
    const credential = plan.credential ? [credentialHeader(facts.credentialStyle, plan.credential.secret)] : []
    own = toOwn([...configured, ...credential], facts.fixedHeaders)
    ownHeaders.set(owner, own)
  }
  return own
}

function credentialHeader(style: 'bearer' | 'api-key' | 'x-api-key', secret: string): readonly [string, string] {
  return style === 'bearer' ? ['authorization', `Bearer ${secret}`] : [style, secret]
}

function toOwn(headers: readonly (readonly [string, string])[], defaults: OwnHeaders['defaults']): OwnHeaders {
  return { headers: headers.flat(), names: new Set(headers.map(([name]) => name)), defaults }
}

function mergeHeaders({ forwarded, requestId }: ClientPart, own: OwnHeaders): string[] {
  // An answer that is compressed could not be read for its usage.
  const headers = ['accept-encoding', 'identity', 'x-request-id', requestId]
  for (let i = 0; i < forwarded.length; i += 2) {
    if (!own.names.has(forwarded[i]!)) headers.push(forwarded[i]!, forwarded[i + 1]!)
  }
  for (const value of own.headers) headers.push(value)
  for (const { name, value } of own.defaults) if (!headers.includes(name)) headers.push(name, value)
  return headers
}
