/** Which headers an operator may let through to a backend, and back from it. Names are in lower case. */
import { providerKindFacts } from '../vendors/provider-kind.ts'
import { isReservedHeader } from '../vendors/provider-headers.ts'

/** They carry a key or a session: what a client gives to this gateway is not for a backend. */
const credentialNames = new Set([
  'authorization',
  'cookie',
  'cookie2',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'x-amz-security-token',
  ...Object.values(providerKindFacts).map(({ credentialStyle }) => credentialStyle),
])

/** What the gateway says itself of each answer. */
const ownPrefix = 'x-signalbox-'
const requestIdName = 'x-request-id'

/** Whether an operator may have this header of the client passed on. */
export function mayPassHeader(name: string): boolean {
  const isTaken = isReservedHeader(name) || credentialNames.has(name) || name === requestIdName
  return !isTaken && !name.startsWith(ownPrefix)
}

/**
 * They would speak for this gateway, or for a proxy in front of it, in the name of the backend: which cookies it sets, who may
 * read it from a browser, which file nginx sends instead.
 */
const spokenForUs = new Set([
  'set-cookie',
  'set-cookie2',
  'server',
  'www-authenticate',
  'authentication-info',
  'alt-svc',
  'strict-transport-security',
  'clear-site-data',
  'location',
  'refresh',
  requestIdName,
])
const prefixesSpokenForUs = [ownPrefix, 'access-control-', 'x-accel-']

/** Whether an operator may have this header of a backend's answer passed to the client. */
export function mayPassResponseHeader(name: string): boolean {
  if (isReservedHeader(name) || spokenForUs.has(name)) return false
  return !prefixesSpokenForUs.some((prefix) => name.startsWith(prefix))
}
