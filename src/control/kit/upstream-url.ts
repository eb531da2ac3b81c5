import type { UrlPolicy } from './context.ts'
import { refuseInput } from './refusal.ts'

export const maxUrlLength = 2_048

/**
 * The stored form of a URL, without a trailing slash. Throws `INVALID` unless it is an absolute `http` or `https` URL without user
 * info, query and fragment, and `UNSAFE_URL` if this installation forbids calls to its address.
 */
export function requireUpstreamUrl(text: string, path: readonly string[], policy: UrlPolicy): string {
  const url = requireHttpUrl(text, path)
  if (url.search !== '') throw refuseInput('INVALID', path, 'A base URL has no query: paths are added to it.')
  requireSafe(url, path, policy)
  return withoutTrailingSlash(url.href)
}

/** The stored form of a proxy's URL, which consists of an origin only. Throws like `requireUpstreamUrl`. */
export function requireProxyUrl(text: string, path: readonly string[], policy: UrlPolicy): string {
  const url = requireHttpUrl(text, path)
  if (url.pathname !== '/' || url.search !== '')
    throw refuseInput('INVALID', path, 'A proxy URL is http://host:port or https://host:port, without a path.')
  requireSafe(url, path, policy)
  return withoutTrailingSlash(url.href)
}

function requireHttpUrl(text: string, path: readonly string[]): URL {
  if (text.length > maxUrlLength)
    throw refuseInput('INVALID', path, `A URL has at most ${maxUrlLength.toLocaleString('en-US')} characters.`)
  const url = URL.canParse(text) && !/[\p{Cc}\s]/u.test(text) ? new URL(text) : undefined
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw refuseInput('INVALID', path, 'It is not an absolute http or https URL, e.g. http://10.0.0.7:8000/v1.')
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/\/[^/?#]*@/i.test(text))
    throw refuseInput('INVALID', path, 'A URL carries no user name or password: give the key as a secret.')
  if (text.includes('#')) throw refuseInput('INVALID', path, 'A URL has no fragment.')
  return url
}

function requireSafe(url: URL, path: readonly string[], policy: UrlPolicy): void {
  const verdict = policy.check(url)
  if (!verdict.ok) throw refuseInput('UNSAFE_URL', path, verdict.reason)
}

function withoutTrailingSlash(href: string): string {
  return href.replace(/\/+$/, '')
}
