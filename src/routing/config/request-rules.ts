/** Which headers an operator may let through to a backend, and back from it. Names are in lower case. */
import { providerKindFacts } from '../vendors/provider-kind.ts'
import { isReservedHeader } from '../vendors/provider-headers.ts'

/** Headers with a key or a session: credentials of a client for this gateway must not reach a backend. */
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

/** The prefix of the headers that the gateway itself adds to each answer. */
const ownPrefix = 'x-signalbox-'
const requestIdName = 'x-request-id'

/** Whether an operator may have this header of the client passed on. */
export function mayPassHeader(name: string): boolean {
  const isTaken = isReservedHeader(name) || credentialNames.has(name) || name === requestIdName
  return !isTaken && !name.startsWith(ownPrefix)
}

/**
 * Headers with which a backend would control this gateway's origin or a proxy in front of it: cookies, cross-origin access, a file that
 * nginx sends instead, what is left of its rate limits beside what is left of ours.
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
const prefixesSpokenForUs = [ownPrefix, 'access-control-', 'x-accel-', 'x-ratelimit-', 'anthropic-ratelimit-']

/** Whether an operator may have this header of a backend's answer passed to the client. */
export function mayPassResponseHeader(name: string): boolean {
  if (isReservedHeader(name) || spokenForUs.has(name)) return false
  return !prefixesSpokenForUs.some((prefix) => name.startsWith(prefix))
}
