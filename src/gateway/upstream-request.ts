/** Where an attempt goes, and what it sends besides the body. */
import type { AttemptPlan } from '../routing/next-attempt.ts'
import { type Operation, upstreamPathOf } from '../routing/operation.ts'
import { providerHeaders } from '../routing/provider-headers.ts'
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

/** `length`: of a body that is a stream; null: the body says it itself. */
export function upstreamRequest(
  plan: AttemptPlan,
  client: ClientPart,
  length: number | null,
): Omit<CallRequest, 'body'> {
  const { backend } = plan
  const base = baseOf(plan.endpoint ?? upstreamOf(plan), plan.endpoint?.url)
  const own = backend.kind === 'deployment' ? deploymentHeaders(backend) : headersOfProvider(plan, backend.provider)
  const headers = mergeHeaders(client, own)
  if (length !== null) headers.push('content-length', String(length))
  return {
    origin: base.origin,
    path: pathOf(base, client.operation) + joinQueries(base.query, client.query),
    headers,
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
  readonly paths: Map<Operation, string>
}

/** By the snapshot's own object: it is parsed once for as long as it does not change. */
const bases = new WeakMap<object, Base>()

function baseOf(owner: object, endpointUrl: string | undefined): Base {
  const known = bases.get(owner)
  if (known) return known
  const url = new URL(endpointUrl ?? (owner as ProviderUpstream).baseUrl)
  const base = { origin: url.origin, path: url.pathname, query: url.search, paths: new Map<Operation, string>() }
  bases.set(owner, base)
  return base
}

function pathOf(base: Base, operation: Operation): string {
  let path = base.paths.get(operation)
  if (path === undefined) {
    path = upstreamPathOf(base.path, operation)
    base.paths.set(operation, path)
  }
  return path
}

function joinQueries(base: string, client: string): string {
  return base === '' || client === '' ? base + client : `${base}&${client.slice(1)}`
}

/** By the snapshot's own object: made once for as long as it does not change. */
const ownHeaders = new WeakMap<object, OwnHeaders>()

interface OwnHeaders {
  readonly all: ReadonlyMap<string, string>
  /** Sent unless the client says otherwise, e.g. the version of a protocol. */
  readonly defaults: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

function deploymentHeaders(backend: DeploymentBackend): OwnHeaders {
  let own = ownHeaders.get(backend)
  if (!own) {
    const { secret } = backend
    own = { all: new Map(secret === null ? [] : [['authorization', `Bearer ${secret}`]]), defaults: none }
    ownHeaders.set(backend, own)
  }
  return own
}

function headersOfProvider({ credential }: AttemptPlan, provider: ProviderUpstream): OwnHeaders {
  // A provider without a credential has the same headers for all its models.
  const owner = credential ?? provider
  let own = ownHeaders.get(owner)
  if (!own) {
    const configured = new Set(provider.headers.map(({ name }) => name.toLowerCase()))
    const fixed = providerKindFacts[provider.kind].fixedHeaders.map(({ name }) => name)
    own = {
      all: providerHeaders(provider, credential?.secret ?? null),
      defaults: new Set(fixed.filter((name) => !configured.has(name))),
    }
    ownHeaders.set(owner, own)
  }
  return own
}

function mergeHeaders({ forwarded, requestId }: ClientPart, own: OwnHeaders): string[] {
  // An answer that is compressed could not be read for its usage.
  const headers = ['accept-encoding', 'identity', 'x-request-id', requestId]
  for (let i = 0; i < forwarded.length; i += 2) {
    const name = forwarded[i]!
    if (!own.all.has(name) || own.defaults.has(name)) headers.push(name, forwarded[i + 1]!)
  }
  for (const [name, value] of own.all) {
    if (!own.defaults.has(name) || !forwarded.includes(name)) headers.push(name, value)
  }
  return headers
}
