import {
  defaultRequestRules,
  type ProviderConfiguration,
  type RequestRules,
} from '../../routing/config/configuration.ts'
import { mayPassHeader, mayPassResponseHeader } from '../../routing/config/request-rules.ts'
import { resolveCaCertificates } from '../kit/ca-certificates.ts'
import { collectEach, collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

const maxPassedHeaders = 32
const maxHeaderNameLength = 256

export interface RequestRulesInput {
  readonly passHeaders?: readonly string[]
  readonly passResponseHeaders?: readonly string[]
  readonly addStreamUsage?: boolean
}

/** The request rules and the trusted certificates of a backend. */
export type PassthroughRules = Pick<ProviderConfiguration, 'requestRules' | 'caCertificates'>

export interface PassthroughRulesInput {
  /** Null: the defaults. Omitted: unchanged. */
  readonly requestRules?: RequestRulesInput | null | undefined
  /** PEM; null: none. Omitted: unchanged. */
  readonly caCertificates?: string | null | undefined
}

/** The stored form of both. Throws `INVALID` or `LIMIT_EXCEEDED` at the path of the fault. */
export function resolvePassthroughRules(
  { requestRules, caCertificates }: PassthroughRulesInput,
  before?: PassthroughRules,
): PassthroughRules {
  return collectMembers<PassthroughRules>({
    requestRules: () =>
      requestRules === undefined
        ? (before?.requestRules ?? defaultRequestRules)
        : resolveRequestRules(requestRules, ['input', 'requestRules']),
    caCertificates: () =>
      caCertificates === undefined
        ? (before?.caCertificates ?? null)
        : resolveCaCertificates(caCertificates, ['input', 'caCertificates']),
  })
}

function resolveRequestRules(input: RequestRulesInput | null, path: readonly string[]): RequestRules {
  if (!input) return defaultRequestRules
  return collectMembers<RequestRules>({
    passHeaders: () => resolveNames(input.passHeaders ?? [], mayPassHeader, [...path, 'passHeaders']),
    passResponseHeaders: () =>
      resolveNames(input.passResponseHeaders ?? [], mayPassResponseHeader, [...path, 'passResponseHeaders']),
    addStreamUsage: () => input.addStreamUsage ?? true,
  })
}

/** In lower case, each once. */
function resolveNames(
  names: readonly string[],
  mayPass: (name: string) => boolean,
  path: readonly string[],
): readonly string[] {
  if (names.length > maxPassedHeaders)
    throw refuseInput('LIMIT_EXCEEDED', path, `At most ${maxPassedHeaders} headers can be listed.`)
  const lowered = collectEach(names, (name, index) =>
    requirePassable(name.toLowerCase(), mayPass, [...path, String(index)]),
  )
  return [...new Set(lowered)]
}

function requirePassable(name: string, mayPass: (name: string) => boolean, path: readonly string[]): string {
  // RFC 9110 § 5.6.2
  if (name.length > maxHeaderNameLength || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
    throw refuseInput(
      'INVALID',
      path,
      `A header's name has 1 to ${maxHeaderNameLength} letters, digits or characters of !#$%&'*+-.^_\`|~.`,
    )
  if (!mayPass(name))
    throw refuseInput(
      'INVALID',
      path,
      `The header ${name} never passes: it carries a credential, belongs to the connection, or is set by the gateway.`,
    )
  return name
}
