/** Where an attempt goes, and what it sends besides the body. */
import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
import { operationAt } from '../../routing/vendors/backend-operations.ts'
import { type Operation, upstreamPathOf } from '../../routing/vendors/operation.ts'
import { providerHeaders } from '../../routing/vendors/provider-headers.ts'
import { providerKindFacts } from '../../routing/vendors/provider-kind.ts'
import type { DeploymentBackend, ProviderUpstream } from '../../routing/config/snapshot.ts'
import { headerLine } from '../http1/header-lines.ts'
import type { CallRequest } from '../http1/client/exchange.ts'

/** What the client's request contributes. */
export interface ClientPart {
  readonly operation: Operation
  /** With its question mark; empty: there is none. */
  readonly query: string
  readonly forwarded: readonly string[]
  readonly requestId: string
}

/** Throws if a configured header cannot be sent. */
export function upstreamRequest(plan: AttemptPlan, client: ClientPart): Omit<CallRequest, 'body' | 'length'> {
  const { backend } = plan
  const base = baseOf(plan.endpoint ?? upstreamOf(plan), plan.endpoint?.url)
  const own = backend.kind === 'deployment' ? deploymentHeaders(backend) : headersOfProvider(plan, backend.provider)
  return {
    origin: base.origin,
    target: pathOf(base, operationAt(backend, client.operation)) + joinQueries(base.query, client.query),
    headers: base.host + own.lines + clientLines(client, own),
  }
}

function upstreamOf({ backend }: AttemptPlan): ProviderUpstream {
  if (backend.kind === 'deployment') throw new Error('an attempt at a deployment names its endpoint')
  return backend.provider
}

interface Base {
  readonly origin: string
  /** The line of this header. */
  readonly host: string
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
  const base = {
    origin: url.origin,
    host: headerLine('host', url.host),
    path: url.pathname,
    query: url.search,
    paths: new Map<Operation, string>(),
  }
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
  // It would end the line that it stands in.
  if (client !== '' && /[^\x21-\xff]/.test(client)) throw new Error('the query of a request cannot be sent')
  return base === '' || client === '' ? base + client : `${base}&${client.slice(1)}`
}

/** By the snapshot's own object: made once for as long as it does not change. */
const ownHeaders = new WeakMap<object, OwnHeaders>()

/** What is sent besides what the client says. */
interface OwnHeaders {
  /** Those that are always sent. */
  readonly lines: string
  /** Their names: what the client says there does not pass. */
  readonly names: ReadonlySet<string>
  /** Sent unless the client says otherwise, e.g. the version of a protocol. */
  readonly defaults: readonly { readonly name: string; readonly line: string }[]
}

/** An answer that is compressed could not be read for its usage. */
const fixedLines = headerLine('accept-encoding', 'identity')

function ownHeadersOf(headers: ReadonlyMap<string, string>, defaults: ReadonlySet<string>): OwnHeaders {
  const all = [...headers].map(([name, value]) => ({ name, line: headerLine(name, value) }))
  const always = all.filter(({ name }) => !defaults.has(name))
  return {
    lines: fixedLines + always.map(({ line }) => line).join(''),
    names: new Set(always.map(({ name }) => name)),
    defaults: all.filter(({ name }) => defaults.has(name)),
  }
}

function deploymentHeaders(backend: DeploymentBackend): OwnHeaders {
  let own = ownHeaders.get(backend)
  if (!own) {
    const { secret } = backend
    own = ownHeadersOf(new Map(secret === null ? [] : [['authorization', `Bearer ${secret}`]]), new Set())
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
    const defaults = new Set(fixed.filter((name) => !configured.has(name)))
    own = ownHeadersOf(providerHeaders(provider, credential?.secret ?? null), defaults)
    ownHeaders.set(owner, own)
  }
  return own
}

function clientLines({ forwarded, requestId }: ClientPart, own: OwnHeaders): string {
  let lines = own.names.has('x-request-id') ? '' : `x-request-id: ${requestId}\r\n`
  for (let i = 0; i < forwarded.length; i += 2) {
    const name = forwarded[i]!
    if (!own.names.has(name)) lines += `${name}: ${forwarded[i + 1]!}\r\n`
  }
  for (const { name, line } of own.defaults) if (!saysItself(forwarded, name)) lines += line
  return lines
}

function saysItself(forwarded: readonly string[], name: string): boolean {
  return forwarded.some((text, i) => i % 2 === 0 && text === name)
}
