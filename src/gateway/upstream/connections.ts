/** Connections to upstreams: kept, guarded against addresses that may not be called, and never following a redirect. */
import { lookup as lookUp, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici'
import { guarded } from '../guarded.ts'
import { monotonicMs } from '../monotonic.ts'
import { ClosedWay } from './closed-way.ts'
import type { OpenSocket } from './connection.ts'
import type { UpstreamWay } from './exchange.ts'
import { UpstreamPool } from './pool.ts'
import { ProxiedWay } from './proxied-way.ts'
import { readOn } from './read-on.ts'

export type IsAllowedAddress = (address: string) => boolean

/** The upstream's name leads to an address that may not be called (DESIGN § 4.7). */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'

  constructor() {
    super('the address of the upstream may not be called from this installation')
  }
}

/** Attempts have their own, shorter deadlines; this ends what no deadline does. */
const longestConnectMs = 60_000

/** Self-hosted servers close idle connections after 5 s (uvicorn's default): sooner, no request meets a closing one. */
const deploymentKeepAliveMs = 4_000
const providerKeepAliveMs = 30_000

/** A proxy that nobody used for so long is let go when the next one is opened. */
const letProxyGoAfterMs = 600_000

const common = { pipelining: 1, allowH2: false, headersTimeout: 0, bodyTimeout: 0 } as const

export class UpstreamConnections implements AsyncDisposable {
  readonly #isAllowed: IsAllowedAddress
  readonly #proxyIdleMs: number
  readonly #connect: GuardedConnector
  readonly #deployments = new Map<string, UpstreamPool>()
  readonly #providers = new Map<string, UpstreamPool>()
  readonly #proxies = new Map<string, ProxiedWay>()
  /** Apart from requests: a probe must not take the connection that a request would have. */
  readonly #probes: Agent

  constructor(isAllowed: IsAllowedAddress, proxyIdleMs = letProxyGoAfterMs) {
    this.#isAllowed = isAllowed
    this.#proxyIdleMs = proxyIdleMs
    this.#connect = guardedConnector(isAllowed)
    this.#probes = new Agent({ ...common, connect: this.#connect, keepAliveTimeout: deploymentKeepAliveMs })
  }

  /** For requests that are no attempts: health checks, and the control plane's questions. */
  direct(): Dispatcher {
    return this.#probes
  }

  /** Throws `ForbiddenAddressError` if the proxy is an address that may not be called. */
  throughProxy(proxyUrl: string): ProxyAgent {
    return this.#wayThrough(proxyUrl).agent
  }

  toDeployment(origin: string): UpstreamWay {
    return this.#deployments.get(origin) ?? this.#openPool(this.#deployments, origin, deploymentKeepAliveMs)
  }

  /** Never throws: if its proxy cannot be used, the request fails as if the provider could not be reached. */
  toProvider(origin: string, proxyUrl: string | null): UpstreamWay {
    if (proxyUrl === null)
      return this.#providers.get(origin) ?? this.#openPool(this.#providers, origin, providerKeepAliveMs)
    try {
      return this.#wayThrough(proxyUrl)
    } catch (error) {
      return new ClosedWay(error as Error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pools of [this.#deployments, this.#providers]) for (const pool of pools.values()) pool.destroy()
    const agents = [...this.#proxies.values()].map(({ agent }) => agent)
    await Promise.all([this.#probes, ...agents].map((one) => one.destroy()))
  }

  #openPool(pools: Map<string, UpstreamPool>, origin: string, keepAliveMs: number): UpstreamPool {
    // Upstreams come and go with the configuration.
    const pool: UpstreamPool = new UpstreamPool(socketsTo(origin, this.#connect), keepAliveMs, () => {
      if (pools.get(origin) === pool) pools.delete(origin)
    })
    pools.set(origin, pool)
    return pool
  }

  #wayThrough(proxyUrl: string): ProxiedWay {
    const way = this.#proxies.get(proxyUrl) ?? this.#openProxy(proxyUrl)
    way.usedAtMs = monotonicMs()
    return way
  }

  /** The proxy's own address is guarded; where it connects to is beyond the gateway's sight. */
  #openProxy(uri: string): ProxiedWay {
    assertAllowedHost(new URL(uri).hostname, this.#isAllowed)
    const lookup = guardedLookup(this.#isAllowed)
    const connectTimeout = longestConnectMs
    const agent = new ProxyAgent({
      ...common,
      uri,
      connectTimeout,
      keepAliveTimeout: providerKeepAliveMs,
      proxyTls: { lookup },
      factory: (origin, options) => new Pool(origin, readingOn(options)),
    })
    const way = new ProxiedWay(agent)
    this.#closeIdleProxies()
    this.#proxies.set(uri, way)
    return way
  }

  /** Proxies come and go with the configuration, and their URLs may hold credentials. What is in flight runs to its end. */
  #closeIdleProxies(): void {
    const idleSinceMs = monotonicMs() - this.#proxyIdleMs
    for (const [uri, way] of this.#proxies) {
      if (way.usedAtMs > idleSinceMs) continue
      this.#proxies.delete(uri)
      void way.agent.close()
    }
  }
}

/** Throws `ForbiddenAddressError` if `host` is an IP literal that may not be called; Node asks no lookup hook for one. */
export function assertAllowedHost(host: string, isAllowed: IsAllowedAddress): void {
  const literal = host.startsWith('[') ? host.slice(1, -1) : host
  if (isIP(literal) !== 0 && !isAllowed(literal)) throw new ForbiddenAddressError()
}

/** Undici's connector, with the socket on its way at once; null: its address is forbidden. */
type GuardedConnector = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket | null

/** Opens sockets to an origin, with TLS if it wants that. */
function socketsTo(origin: string, connect: GuardedConnector): OpenSocket {
  const { protocol, host, hostname, port } = new URL(origin)
  const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return (opened) => connect({ protocol, host, hostname: address, port }, opened)
}

/** Of connections that undici opens through a proxy. */
function readingOn(options: Pool.Options): Pool.Options {
  const connect = options.connect as buildConnector.connector
  return {
    ...options,
    connect: (to, opened) =>
      connect(to, (...result) => {
        if (result[1]) readOn(result[1], () => {})
        opened(...result)
      }),
  }
}

function guardedConnector(isAllowed: IsAllowedAddress): GuardedConnector {
  const connect = buildConnector({
    allowH2: false,
    timeout: longestConnectMs,
    lookup: guardedLookup(isAllowed),
    keepAliveInitialDelay: 30_000,
  }) as unknown as (options: buildConnector.Options, callback: buildConnector.Callback) => Socket
  return (options, callback) => {
    try {
      assertAllowedHost(options.hostname, isAllowed)
    } catch (error) {
      callback(error as Error, null)
      return null
    }
    const socket = connect(options, callback)
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

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** Resolves a name to those of its addresses that may be called, so that others are not even knocked at. */
function guardedLookup(isAllowed: IsAllowedAddress) {
  return (hostname: string, options: LookupOptions, callback: LookupCallback): void => {
    lookUp(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address))
      const [first] = allowed
      if (!first) return callback(new ForbiddenAddressError(), [])
      if (options.all) return callback(null, allowed)
      callback(null, first.address, first.family)
    })
  }
}
