import { type ProviderKind, providerKindFacts } from '../../routing/vendors/provider-kind.ts'
import type { UrlPolicy } from '../kit/context.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireUpstreamUrl } from '../kit/upstream-url.ts'

/** The stored form of the base URL; if omitted, the public endpoint of the kind. Throws `INVALID` or `UNSAFE_URL` at `path`. */
export function resolveBaseUrl(
  text: string | null | undefined,
  kind: ProviderKind,
  path: readonly string[],
  policy: UrlPolicy,
): string {
  const given = text ?? providerKindFacts[kind].defaultBaseUrl
  if (given === null)
    throw refuseInput('INVALID', path, `${kind} has no public endpoint for all customers: give the base URL.`)
  const url = requireUpstreamUrl(given, path, policy)
  if (kind === 'OPENAI_COMPATIBLE' && new URL(url).pathname === '/')
    throw refuseInput(
      'INVALID',
      path,
      `The base URL of an OpenAI-compatible server has a path, mostly /v1: ${url.slice(0, 200)}/v1.`,
    )
  return url
}
