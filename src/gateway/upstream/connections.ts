/** Connections to upstreams: kept, guarded against addresses that may not be called, and never following a redirect. */
import type { SecureContext } from 'node:tls'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import { monotonicMs } from '../loop/monotonic.ts'
import { ClosedTransport } from './closed-transport.ts'
import type { UpstreamTransport } from '../http1/client/exchange.ts'
import {
  assertAllowedHost,
  ForbiddenAddressError,
  type GuardedConnector,
  guardedConnector,
  guardedLookup,
  type IsAllowedAddress,
  longestConnectMs,
  socketsTo,
  trustOf,
} from './guarded-connector.ts'
import { type NameResolver, systemNameResolver } from './name-resolver.ts'
import { createObservedPool } from './observed-client.ts'
import { UpstreamPool } from '../http1/client/pool.ts'
import type { TransportName } from './transport.ts'
import { UndiciTransport } from './undici-transport.ts'

export { assertAllowedHost, ForbiddenAddressError, type IsAllowedAddress }

/** Self-hosted servers close idle connections after 5 s (uvicorn's default): sooner, no request meets a closing one. */
const deploymentKeepAliveMs = 4_000
const providerKeepAliveMs = 30_000

/** A proxy that nobody used for so long is let go when the next one is opened. */
const letProxyGoAfterMs = 600_000

const common = { pipelining: 1, allowH2: false, headersTimeout: 0, bodyTimeout: 0 } as const

export interface UpstreamConnectionsOptions {
  readonly transport?: TransportName
  readonly names?: NameResolver
  readonly proxyIdleMs?: number
}

/** A way whose connections can be closed. */
interface Pooled {
  readonly transport: UpstreamTransport
  destroy(): void
}

interface Proxy {
  readonly agent: ProxyAgent
  readonly transport: UndiciTransport
  /** `monotonicMs`. */
  usedAtMs: number
}

/** Connections that trust the same certificate authorities: none of them serves an upstream that trusts others. */
interface Trust {
  readonly secureContext: SecureContext | undefined
  readonly connect: GuardedConnector
  readonly deployments: Map<string, Pooled>
  readonly providers: Map<string, Pooled>
  readonly proxies: Map<string, Proxy>
  /** Apart from requests: a probe must not take the connection that a request would have. */
  readonly probes: Agent
}

export class UpstreamConnections implements AsyncDisposable {
  readonly #isAllowed: IsAllowedAddress
  readonly #transport: TransportName
  readonly #names: NameResolver
  readonly #proxyIdleMs: number
  readonly #system: Trust
  /** By the PEM of what they trust besides. */
  readonly #others = new Map<string, Trust>()

  constructor(isAllowed: IsAllowedAddress, options: UpstreamConnectionsOptions = {}) {
    this.#isAllowed = isAllowed
    this.#transport = options.transport ?? 'own'
    this.#names = options.names ?? systemNameResolver
    this.#proxyIdleMs = options.proxyIdleMs ?? letProxyGoAfterMs
    this.#system = this.#openTrust(null)
  }

  /**
   * For requests that are no attempts: health checks, and the control plane's questions. `caCertificates`: PEM of authorities that
   * are trusted besides the system's. Throws if that is none.
   */
  direct(caCertificates: string | null = null): Dispatcher {
    return this.#trust(caCertificates).probes
  }

  /** Throws `ForbiddenAddressError` if the proxy is an address that may not be called, and if `caCertificates` is no PEM. */
  throughProxy(proxyUrl: string, caCertificates: string | null = null): ProxyAgent {
    return this.#proxy(proxyUrl, this.#trust(caCertificates)).agent
  }

  /** Never throws: if what it trusts cannot be read, the request fails as if the deployment could not be reached. */
  toDeployment(origin: string, caCertificates: string | null = null): UpstreamTransport {
    try {
      const { deployments, connect } = this.#trust(caCertificates)
      return (deployments.get(origin) ?? this.#openPool(deployments, origin, connect, deploymentKeepAliveMs)).transport
    } catch (error) {
      return new ClosedTransport(error as Error)
    }
  }

  /** Never throws: if its proxy cannot be used, the request fails as if the provider could not be reached. */
  toProvider(origin: string, proxyUrl: string | null, caCertificates: string | null = null): UpstreamTransport {
    try {
      const trust = this.#trust(caCertificates)
      if (proxyUrl !== null) return this.#proxy(proxyUrl, trust).transport
      const { providers, connect } = trust
      return (providers.get(origin) ?? this.#openPool(providers, origin, connect, providerKeepAliveMs)).transport
    } catch (error) {
      return new ClosedTransport(error as Error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#system, ...this.#others.values()].map(closeTrust))
  }

  #trust(pem: string | null): Trust {
    if (pem === null) return this.#system
    const known = this.#others.get(pem)
    if (known) return known
    this.#closeUnused()
    const opened = this.#openTrust(pem)
    this.#others.set(pem, opened)
    return opened
  }

  #openTrust(pem: string | null): Trust {
    const secureContext = trustOf(pem)
    const connect = guardedConnector(this.#isAllowed, this.#names, secureContext)
    const probes = new Agent({ ...common, connect, keepAliveTimeout: deploymentKeepAliveMs })
    return { secureContext, connect, deployments: new Map(), providers: new Map(), proxies: new Map(), probes }
  }

  /** Certificates come and go with the configuration: of former ones no connection is left. */
  #closeUnused(): void {
    for (const [pem, trust] of this.#others) {
      const hasProbes = Object.keys(trust.probes.stats).length > 0
      if (hasProbes || trust.deployments.size > 0 || trust.providers.size > 0 || trust.proxies.size > 0) continue
      this.#others.delete(pem)
      void trust.probes.close()
    }
  }

  #openPool(pools: Map<string, Pooled>, origin: string, connect: GuardedConnector, keepAliveMs: number): Pooled {
    // Upstreams come and go with the configuration.
    const onEmpty = () => {
      if (pools.get(origin) === pooled) pools.delete(origin)
    }
    const pooled =
      this.#transport === 'undici'
        ? openUndici(origin, connect, keepAliveMs, onEmpty)
        : openOwn(origin, connect, keepAliveMs, onEmpty)
    pools.set(origin, pooled)
    return pooled
  }

  #proxy(proxyUrl: string, trust: Trust): Proxy {
    const proxy = trust.proxies.get(proxyUrl) ?? this.#openProxy(proxyUrl, trust)
    proxy.usedAtMs = monotonicMs()
    return proxy
  }

  /** The proxy's own address is guarded; where it connects to is beyond the gateway's sight. */
  #openProxy(uri: string, { proxies, secureContext }: Trust): Proxy {
    assertAllowedHost(new URL(uri).hostname, this.#isAllowed)
    const agent = new ProxyAgent({
      ...common,
      uri,
      connectTimeout: longestConnectMs,
      keepAliveTimeout: providerKeepAliveMs,
      keepAliveMaxTimeout: providerKeepAliveMs,
      proxyTls: { lookup: guardedLookup(this.#isAllowed, this.#names) },
      ...(secureContext && { requestTls: { secureContext } }),
      factory: createObservedPool,
    })
    const proxy = { agent, transport: new UndiciTransport(agent), usedAtMs: 0 }
    this.#closeIdleProxies(proxies)
    proxies.set(uri, proxy)
    return proxy
  }

  /** Proxies come and go with the configuration, and their URLs may hold credentials. What is in flight runs to its end. */
  #closeIdleProxies(proxies: Map<string, Proxy>): void {
    const idleSinceMs = monotonicMs() - this.#proxyIdleMs
    for (const [uri, { agent, usedAtMs }] of proxies) {
      if (usedAtMs > idleSinceMs) continue
      proxies.delete(uri)
      void agent.close()
    }
  }
}

async function closeTrust({ deployments, providers, proxies, probes }: Trust): Promise<void> {
  for (const pools of [deployments, providers]) for (const pool of pools.values()) pool.destroy()
  await Promise.all([probes.destroy(), ...[...proxies.values()].map(({ agent }) => agent.destroy())])
}

function openOwn(origin: string, connect: GuardedConnector, keepAliveMs: number, onEmpty: () => void): Pooled {
  const transport = new UpstreamPool(socketsTo(origin, connect), keepAliveMs, onEmpty)
  return { transport, destroy: () => transport.destroy() }
}

function openUndici(origin: string, connect: GuardedConnector, keepAliveMs: number, onEmpty: () => void): Pooled {
  const pool = createObservedPool(origin, {
    ...common,
    connect,
    keepAliveTimeout: keepAliveMs,
    // Upstream may want less, and not more.
    keepAliveMaxTimeout: keepAliveMs,
  })
  const closeIfEmpty = () => {
    const { connected, size, queued } = pool.stats
    if (pool.closed || pool.destroyed || connected + size + queued > 0) return
    onEmpty()
    void pool.close()
  }
  // Told before the pool counts it.
  pool.on('disconnect', () => setImmediate(closeIfEmpty))
  pool.on('connectionError', () => setImmediate(closeIfEmpty))
  return { transport: new UndiciTransport(pool), destroy: () => void pool.destroy() }
}
