/** Active checks of endpoints, as their deployments configure them. They never run inference: a GET of the health path. */
import { connectionFault } from '../upstream/guarded-connector.ts'
import type { Dispatcher } from 'undici'
import type { EndpointConfiguration, HealthCheck } from '../../routing/config/configuration.ts'
import type { DeploymentBackend, Snapshot } from '../../routing/config/snapshot.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { isLocalShortage } from '../upstream/local-shortage.ts'

/** The connections that requests use as well, with their guard against forbidden addresses. */
export interface ProbeConnections {
  direct(caCertificates: string | null): Dispatcher
}

/** Told of each check. `error` is null if it succeeded: any 2xx. */
export type CheckListener = (check: {
  readonly endpointId: string
  readonly endpointUrl: string
  readonly deploymentId: string
  readonly healthCheck: HealthCheck
  readonly error: string | null
  /** Milliseconds until the next one. */
  readonly nextInMs: number
}) => void

/** The first checks are spread over this time, so that new endpoints are checked soon, but not all at once. */
const firstWithinMs = 1_000
const jitter = 0.1
const maxBodyBytes = 65_536

export class HealthChecks implements AsyncDisposable {
  readonly #connections: ProbeConnections
  readonly #random: () => number
  readonly #listener: CheckListener
  readonly #byEndpoint = new Map<string, EndpointChecks>()

  constructor(connections: ProbeConnections, random: () => number, listener: CheckListener) {
    this.#connections = connections
    this.#random = random
    this.#listener = listener
  }

  /** Endpoints under check. */
  get size(): number {
    return this.#byEndpoint.size
  }

  /** Starts, changes and stops checks so that exactly those of the snapshot run. Returns the ids that are checked no more. */
  apply(snapshot: Snapshot): readonly string[] {
    const wanted = new Map<string, CheckSettings>()
    for (const backend of snapshot.backends.values()) {
      if (backend.kind === 'deployment') addSettings(wanted, backend)
    }
    const stopped: string[] = []
    for (const [id, checks] of this.#byEndpoint) {
      const settings = wanted.get(id)
      if (settings) checks.follow(settings)
      else {
        void checks.stop()
        this.#byEndpoint.delete(id)
        stopped.push(id)
      }
      wanted.delete(id)
    }
    for (const [id, settings] of wanted) {
      this.#byEndpoint.set(id, new EndpointChecks(settings, this.#connections, this.#random, this.#listener))
    }
    return stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#byEndpoint.values()].map((checks) => checks.stop())
    this.#byEndpoint.clear()
    await Promise.all(running)
  }
}

interface CheckSettings {
  readonly endpointId: string
  readonly endpointUrl: string
  readonly deploymentId: string
  readonly origin: string
  readonly path: string
  readonly secret: string | null
  readonly caCertificates: string | null
  readonly healthCheck: HealthCheck
}

function addSettings(wanted: Map<string, CheckSettings>, backend: DeploymentBackend): void {
  const { healthCheck, secret, caCertificates } = backend
  if (!healthCheck || backend.state !== 'ACTIVE') return
  for (const endpoint of backend.endpoints) {
    const address = endpoint.state === 'ACTIVE' ? addressOf(endpoint, healthCheck.path) : null
    if (!address) continue
    wanted.set(endpoint.id, {
      endpointId: endpoint.id,
      endpointUrl: endpoint.url,
      deploymentId: backend.id,
      origin: address.origin,
      path: address.pathname + address.search,
      secret,
      caCertificates,
      healthCheck,
    })
  }
}

/** Of the path only what stays at the endpoint's own origin: `//elsewhere/` would be another host. */
function addressOf(endpoint: EndpointConfiguration, path: string): URL | null {
  const base = URL.parse(endpoint.url)
  const address = base && URL.parse(path, base.origin)
  return address && address.origin === base.origin ? address : null
}

/** Whether what one check says is true of the other. */
function asksTheSame(a: CheckSettings, b: CheckSettings): boolean {
  return a.origin === b.origin && a.path === b.path && a.secret === b.secret && a.caCertificates === b.caCertificates
}

/** The checks of one endpoint: one after the other, never two at once. */
class EndpointChecks {
  #settings: CheckSettings
  readonly #connections: ProbeConnections
  readonly #random: () => number
  readonly #listener: CheckListener
  #isStopped = false
  #probing: AbortController | null = null
  #timer: NodeJS.Timeout
  /** Of the next check (`monotonicMs`). */
  #dueAtMs = 0
  #running: Promise<void> = Promise.resolve()

  constructor(settings: CheckSettings, connections: ProbeConnections, random: () => number, listener: CheckListener) {
    this.#settings = settings
    this.#connections = connections
    this.#random = random
    this.#listener = listener
    this.#timer = this.#schedule(random() * Math.min(firstWithinMs, settings.healthCheck.intervalMs))
  }

  /**
   * Changed settings do not begin anew: if they did, settings that change faster than a check takes would mean no check at all.
   * A check that is under way ends; its outcome is told if it asked what the new settings ask.
   */
  follow(settings: CheckSettings): void {
    const isUrgent = !asksTheSame(settings, this.#settings)
    this.#settings = settings
    if (this.#probing) return
    const soonestMs = isUrgent
      ? Math.min(firstWithinMs, settings.healthCheck.intervalMs)
      : settings.healthCheck.intervalMs
    const leftMs = Math.max(0, this.#dueAtMs - monotonicMs())
    if (soonestMs >= leftMs) return
    clearTimeout(this.#timer)
    this.#timer = this.#schedule(soonestMs)
  }

  /** Resolves when the running check has ended. Its outcome is not reported. */
  stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#probing?.abort()
    return this.#running
  }

  #schedule(afterMs: number): NodeJS.Timeout {
    this.#dueAtMs = monotonicMs() + afterMs
    return setTimeout(() => this.#start(), afterMs).unref()
  }

  #start(): void {
    this.#running = this.#check()
  }

  async #check(): Promise<void> {
    const checkedSettings = this.#settings
    const error = await this.#probe(checkedSettings)
    if (this.#isStopped) return
    const { endpointId, endpointUrl, deploymentId, healthCheck } = this.#settings
    const isUpToDate = asksTheSame(checkedSettings, this.#settings)
    const nextInMs = isUpToDate ? healthCheck.intervalMs * (1 - jitter + 2 * jitter * this.#random()) : 0
    // Where the gateway has no room for a connection, nothing was asked.
    if (isUpToDate && !isLocalShortage(error))
      this.#listener({ endpointId, endpointUrl, deploymentId, healthCheck, error, nextInMs })
    this.#timer = this.#schedule(nextInMs)
  }

  /** Null if it succeeded, else why it did not, without anything that upstream wrote. */
  async #probe({ origin, path, secret, caCertificates, healthCheck }: CheckSettings): Promise<string | null> {
    const probing = new AbortController()
    this.#probing = probing
    const timer = setTimeout(() => probing.abort(), healthCheck.timeoutMs).unref()
    try {
      const { statusCode, body } = await this.#connections.direct(caCertificates).request({
        origin,
        path,
        method: 'GET',
        headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
        signal: probing.signal,
      })
      await body.dump({ limit: maxBodyBytes, signal: probing.signal })
      return statusCode >= 200 && statusCode < 300 ? null : `status ${statusCode}`
    } catch (error) {
      return probing.signal.aborted ? 'timeout' : describe(error)
    } finally {
      clearTimeout(timer)
      this.#probing = null
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? connectionFault(error) : 'failed'
}
