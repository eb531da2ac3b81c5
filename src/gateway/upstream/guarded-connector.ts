/** Opens sockets to upstreams, and none to addresses that may not be called. */
import type { LookupOptions } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import { guarded } from '../loop/guarded.ts'
import type { OpenSocket } from '../http1/client/connection.ts'
import { answerLookup, type LookupCallback, type NameResolver } from './name-resolver.ts'

export type IsAllowedAddress = (address: string) => boolean

/** The upstream's name leads to an address that may not be called. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'

  constructor() {
    super('the address of the upstream may not be called from this installation (SIGNALBOX_UPSTREAM_ALLOW)')
  }
}

/** Attempts have their own, shorter deadlines; this ends what no deadline does. */
export const longestConnectMs = 60_000

/** Undici's connector, with the socket on its way at once; null: its address is forbidden. */
export type GuardedConnector = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket | null

/** Throws `ForbiddenAddressError` if `host` is an IP literal that may not be called; Node asks no lookup hook for one. */
export function assertAllowedHost(host: string, isAllowed: IsAllowedAddress): void {
  const literal = host.startsWith('[') ? host.slice(1, -1) : host
  if (isIP(literal) !== 0 && !isAllowed(literal)) throw new ForbiddenAddressError()
}

/** Opens sockets to an origin, with TLS if it wants that. */
export function socketsTo(origin: string, connect: GuardedConnector): OpenSocket {
  const { protocol, host, hostname, port } = new URL(origin)
  const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return (opened) => connect({ protocol, host, hostname: address, port }, opened)
}

/**
 * What TLS trusts: the system's certificate authorities, and those of `pem`. Made once for many connections: the system has more
 * than a hundred. Throws if it is no PEM. Undefined: the system's alone.
 */
export function trustOf(pem: string | null): SecureContext | undefined {
  return pem === null ? undefined : createSecureContext({ ca: [...getCACertificates('default'), pem] })
}

/** `trusted`: what certificates of upstreams are checked against; undefined: the system's authorities. */
export function guardedConnector(
  isAllowed: IsAllowedAddress,
  names: NameResolver,
  trusted: SecureContext | undefined,
): GuardedConnector {
  const connect = buildConnector({
    allowH2: false,
    timeout: longestConnectMs,
    lookup: guardedLookup(isAllowed, names),
    keepAliveInitialDelay: 30_000,
    ...(trusted && { secureContext: trusted }),
  }) as unknown as (options: buildConnector.Options, callback: buildConnector.Callback) => Socket
  return (options, callback) => {
    try {
      assertAllowedHost(options.hostname, isAllowed)
    } catch (error) {
      callback(error as Error, null)
      return null
    }
    const socket = connect(options, doubting(names, options.hostname, callback))
    const checkAddress = () => {
      const address = socket.remoteAddress
      if (address === undefined || !isAllowed(address)) socket.destroy(new ForbiddenAddressError())
    }
    socket.prependOnceListener(
      'connect',
      guarded(checkAddress, (error) => socket.destroy(error as Error)),
    )
    return socket
  }
}

/** A server that moved is found at its new address by the next attempt. */
function doubting(names: NameResolver, hostname: string, callback: buildConnector.Callback): buildConnector.Callback {
  return (...result) => {
    if (result[0]) names.doubt(hostname)
    callback(...result)
  }
}

/** Resolves a name to those of its addresses that may be called, so that others are not even knocked at. */
export function guardedLookup(isAllowed: IsAllowedAddress, names: NameResolver) {
  return (hostname: string, options: LookupOptions, callback: LookupCallback): void => {
    names.lookUp(hostname, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address))
      if (allowed.length === 0) return callback(new ForbiddenAddressError(), [])
      answerLookup(hostname, options, allowed, callback)
    })
  }
}

/** What went wrong with a connection, in a word that has no secrets in it; of an address that is forbidden, what to do. */
export function connectionFault(error: Error): string {
  if (error instanceof ForbiddenAddressError) return error.message
  return (error as NodeJS.ErrnoException).code ?? error.name
}
