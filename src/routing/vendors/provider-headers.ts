import { type ProviderKind, providerKindFacts } from './provider-kind.ts'

/** Lower-case names of headers that belong to the connection, to the body, or to what the gateway sets itself. */
const reservedNames = new Set([
  // RFC 9110 § 7.6.1, RFC 9113 § 8.2.2
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // RFC 9110 § 11.7: between the client and a proxy
  'proxy-authenticate',
  'proxy-authorization',
  'accept-encoding',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
])

/** Whether it belongs to the connection, to the body, or to what the gateway sets itself; `name` is in lower case. */
export function isReservedHeader(name: string): boolean {
  return reservedNames.has(name)
}

/** Whether an operator may have this header sent to a provider of this kind; `name` is in lower case. */
export function mayConfigureHeader(kind: ProviderKind, name: string): boolean {
  return !reservedNames.has(name) && name !== 'authorization' && name !== credentialHeader(kind)
}

/** The lower-case name of the header that carries the credential. */
export function credentialHeader(kind: ProviderKind): string {
  const { credentialStyle } = providerKindFacts[kind]
  return credentialStyle === 'bearer' ? 'authorization' : credentialStyle
}

/**
 * All headers that calls to a provider carry besides those of the call itself: what the service demands, what the operator
 * configured (which wins), and the credential. Names are in lower case, each stands once.
 */
export function providerHeaders(
  provider: {
    readonly kind: ProviderKind
    readonly headers: readonly { readonly name: string; readonly value: string }[]
  },
  secret: string | null,
): ReadonlyMap<string, string> {
  const { fixedHeaders, credentialStyle } = providerKindFacts[provider.kind]
  const headers = new Map(fixedHeaders.map(({ name, value }) => [name, value]))
  for (const { name, value } of provider.headers) headers.set(name.toLowerCase(), value)
  if (secret !== null)
    headers.set(credentialHeader(provider.kind), credentialStyle === 'bearer' ? `Bearer ${secret}` : secret)
  return headers
}
