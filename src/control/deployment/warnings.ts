import type { EndpointProbe } from '../../storage/deployment/endpoint-probe.ts'
import type { UrlPolicy } from '../kit/context.ts'
import { isListed, versionedBase } from './probe.ts'

export type BackendWarningCode =
  | 'UNREACHABLE'
  | 'MODEL_NOT_LISTED'
  | 'BASE_URL_SUSPECT'
  | 'UNSAFE_URL'
  | 'CREDENTIAL_REFUSED'

/** Why a backend will probably not answer. */
export interface BackendWarning {
  readonly code: BackendWarningCode
  /** What is wrong, and what to do. */
  readonly message: string
  /** Null: it is about the whole backend. */
  readonly endpointId: string | null
}

interface Endpoint {
  readonly id: string
  readonly url: string
}

/** The warnings of a deployment, by the settings of this installation and by the last probe of its endpoints. */
export function deploymentWarnings(
  policy: UrlPolicy,
  upstreamModel: string,
  endpoints: readonly Endpoint[],
  probes: readonly EndpointProbe[],
): BackendWarning[] {
  const probeOf = new Map(probes.map((probe) => [probe.endpointId, probe]))
  return endpoints.flatMap((endpoint) => {
    const unsafe = unsafeUrl(policy, endpoint.url, endpoint.id)
    return unsafe ? [unsafe] : endpointWarnings(upstreamModel, endpoint, probeOf.get(endpoint.id))
  })
}

/**
 * The warning for a forbidden address; null if it may be called. The settings of the installation may have changed since the address
 * was entered.
 */
export function unsafeUrl(policy: UrlPolicy, url: string, endpointId: string | null): BackendWarning | null {
  const verdict = policy.check(new URL(url))
  if (verdict.ok) return null
  const remedy = verdict.reason.includes('never an upstream')
    ? 'Give another address.'
    : 'Nothing is sent there: allow its range in SIGNALBOX_UPSTREAM_ALLOW, or give another address.'
  return { code: 'UNSAFE_URL', message: `${url}: ${verdict.reason} ${remedy}`, endpointId }
}

function endpointWarnings(
  upstreamModel: string,
  { id, url }: Endpoint,
  probe: EndpointProbe | undefined,
): BackendWarning[] {
  const warn = (code: BackendWarningCode, message: string): BackendWarning => ({ code, message, endpointId: id })
  const suspect = suspectBase(url, probe)
  const warnings = suspect === null ? [] : [warn('BASE_URL_SUSPECT', suspect)]
  if (!probe) return warnings
  const { kind, models, fault } = probe
  if (kind === 'UNREACHABLE') warnings.push(warn('UNREACHABLE', fault!))
  if (kind === 'FORBIDDEN_ADDRESS') warnings.push(warn('UNSAFE_URL', fault!))
  if (kind === 'CREDENTIAL_REFUSED') warnings.push(warn('CREDENTIAL_REFUSED', fault!))
  if (models && !isListed(models, upstreamModel))
    warnings.push(warn('MODEL_NOT_LISTED', describeUnlisted(url, upstreamModel, models)))
  return warnings
}

function suspectBase(url: string, probe: EndpointProbe | undefined): string | null {
  if (probe?.listedAt) return `${url} is not its base URL: the server answers at /v1. Use ${probe.listedAt}.`
  const hasPath = new URL(url).pathname !== '/'
  if (hasPath || probe?.kind === 'LISTED') return null
  return `${url} has no path, and most servers answer at /v1: use ${versionedBase(url)}.`
}

const maxNamed = 5

function describeUnlisted(url: string, upstreamModel: string, models: readonly string[]): string {
  const named = models.slice(0, maxNamed).map((model) => JSON.stringify(model))
  const more = models.length > named.length ? ` and ${models.length - named.length} more` : ''
  return (
    `${url} does not list the model ${JSON.stringify(upstreamModel)}. It lists ${named.join(', ')}${more}: ` +
    'set `upstreamModel` to one of them, or have the server load it under that name.'
  )
}
