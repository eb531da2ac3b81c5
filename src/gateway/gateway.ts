/** The data plane: one HTTP listener that passes requests on to models. */
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { BodyBudget } from './body/budget.ts'
import { answerCors, type CorsOrigins } from './pages/cors.ts'
import type { Exchange } from './http1/server/exchange.ts'
import { Listener } from './http1/server/listener.ts'
import type { GatewayContext, GatewayLimits } from './request/context.ts'
import { guarded } from './loop/guarded.ts'
import { BackendLimits } from './limits/backend-limits.ts'
import { BudgetGate } from './limits/budget-gate.ts'
import { RateGate } from './limits/rate-gate.ts'
import { LiveState } from './live/live-state.ts'
import { isMetricsUrl, metricsAnswer } from './pages/metrics.ts'
import { monotonicMs } from './loop/monotonic.ts'
import { answerNoRequest } from './request/early-refusal.ts'
import type { GatewayPorts, MetricsReader } from './ports.ts'
import { defaultBodyPace, SilenceWatch } from './body/request-body.ts'
import { type Fault, messageFault } from './body/request-faults.ts'
import { RequestLife } from './request/life.ts'
import { IndexedSet } from './loop/indexed-set.ts'
import { StreamUsageMemory } from './answer/stream-usage-memory.ts'
import { UpstreamConnections } from './upstream/connections.ts'
import type { NameResolver } from './upstream/name-resolver.ts'
import type { TransportName } from './upstream/transport.ts'

export interface GatewayOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly maxRequestBytes: number
  /** Default: `own`. */
  readonly upstreamTransport?: TransportName
  /** Who knows the addresses of names; default: those of the process. */
  readonly names?: NameResolver
  /** How long `drain` waits for requests in flight. */
  readonly drainTimeoutMs: number
  readonly limits?: Partial<Omit<GatewayLimits, 'maxRequestBytes'>>
  /** Origins of web pages that may use the gateway; default: none. */
  readonly corsOrigins?: CorsOrigins | undefined
}

export interface Gateway extends AsyncDisposable {
  /** Circuits, requests in flight, health: what this gateway knows of its upstreams. */
  readonly live: LiveState
  /** Requests whose answer is not over. */
  readonly inFlight: number
  /** Opens the port; resolves to where it listens. Rejects if that cannot be. */
  listen(): Promise<AddressInfo>
  /** Follows a new snapshot at once; otherwise it is noticed with the next request, or within a second. */
  follow(): void
  /** The records of these requests are in the database. */
  noteStored(requestIds: readonly string[]): void
  /**
   * Takes no new connections, lets requests in flight run to their end, or ends them after `drainTimeoutMs`, then closes.
   * Readiness is off from the first moment.
   */
  drain(): Promise<void>
}

const defaultLimits = {
  maxRequestsInFlight: 20_000,
  maxHeldBytes: 1024 * 1024 * 1024,
  maxSpooledBytes: 4 * 1024 * 1024 * 1024,
  maxReceiving: 10_000,
  bodyPace: defaultBodyPace,
  untakenMs: 300_000,
}
const followEveryMs = 1_000
/** A client of an idle connection may be about to send its next request, because it does not know of the end yet. */
const idleGraceMs = 500

export function openGateway(ports: GatewayPorts, options: GatewayOptions): Gateway {
  return new HttpGateway(ports, options)
}

class HttpGateway implements Gateway {
  readonly live: LiveState
  readonly #options: GatewayOptions
  readonly #context: GatewayContext
  readonly #listener: Listener
  readonly #followTimer: NodeJS.Timeout
  readonly #tryFollow: () => void
  #followed: unknown = null
  #drained: Promise<void> | null = null

  constructor(ports: GatewayPorts, options: GatewayOptions) {
    const connections = new UpstreamConnections(ports.isAllowedAddress, {
      transport: options.upstreamTransport ?? 'own',
      ...(options.names && { names: options.names }),
    })
    const { gatewayCount, inFlightElsewhere, log } = ports
    this.live = new LiveState({ gatewayCount, inFlightElsewhere, connections, log })
    this.#options = options
    const limits = { ...defaultLimits, ...options.limits, maxRequestBytes: options.maxRequestBytes }
    this.#context = {
      ports,
      limits,
      live: this.live,
      rates: openRates(ports),
      budgets: openBudgets(ports),
      connections,
      silence: new SilenceWatch(limits.bodyPace),
      streamUsage: new StreamUsageMemory(),
      lives: new IndexedSet(),
      bodies: new BodyBudget(limits),
      isDraining: false,
    }
    this.live.limits = new BackendLimits(ports.snapshot, this.#context)
    this.#listener = new Listener({
      onExchange: (exchange) => this.#begin(exchange),
      onFault: (exchange, code, detail) => this.#guard(exchange, () => this.#refuse(exchange, { code, detail })),
      untakenMs: this.#context.limits.untakenMs,
      onInternalFault: (error) => this.#logFault(error),
    })
    const follow = guarded(
      () => this.follow(),
      (error) => this.#logFault(error),
    )
    this.#followTimer = setInterval(follow, followEveryMs).unref()
    this.#tryFollow = follow
    this.follow()
  }

  get inFlight(): number {
    return this.#context.lives.size
  }

  #begin(exchange: Exchange): void {
    this.#guard(exchange, () => this.#handle(exchange))
  }

  /** Whatever is thrown before a request guards itself ends this exchange alone. */
  #guard(exchange: Exchange, step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#logFault(error)
      if (exchange.status > 0) exchange.destroy()
      else answerNoRequest(exchange, { code: 'internal_error' })
    }
  }

  #logFault(error: unknown): void {
    this.#context.ports.log.error({ err: error }, 'the gateway failed outside of a request')
  }

  #handle(exchange: Exchange): void {
    const { target } = exchange.head
    const { corsOrigins } = this.#options
    if (corsOrigins && answerCors(exchange, corsOrigins)) return
    if (isProbe(target)) return this.#handleProbe(exchange, target)
    this.#tryFollow()
    new RequestLife(this.#context, exchange).begin()
  }

  /** Checks these headers strictly too: a value that another program reads differently must not pass unchecked. */
  #handleProbe(exchange: Exchange, target: string): void {
    const malformed = messageFault(exchange.head)
    if (malformed) return this.#refuse(exchange, malformed)
    if (target === '/healthz') return answerText(exchange, 200, 'ok')
    const { isDraining, ports } = this.#context
    if (target === '/readyz') return answerText(exchange, isDraining ? 503 : 200, isDraining ? 'draining' : 'ready')
    if (ports.metrics) return this.#answerMetrics(exchange, ports.metrics)
    this.#tryFollow()
    new RequestLife(this.#context, exchange).begin()
  }

  #answerMetrics(exchange: Exchange, read: MetricsReader): void {
    const { method, keys } = exchange.head
    const snapshot = this.#context.ports.snapshot()
    void metricsAnswer({ method, keys, snapshot, read }).then(({ status, headers, body }) =>
      this.#guard(exchange, () => exchange.answer(status, headers, body)),
    )
  }

  /** A malformed request gets an answer and an entry in the log, like any other request. */
  #refuse(exchange: Exchange, fault: Fault): void {
    if (exchange.head.target === '') answerNoRequest(exchange, fault)
    else new RequestLife(this.#context, exchange).refuse(fault)
  }

  noteStored(requestIds: readonly string[]): void {
    this.#context.budgets?.noteStored(requestIds)
  }

  follow(): void {
    const snapshot = this.#context.ports.snapshot()
    if (snapshot === this.#followed) return
    this.#followed = snapshot
    this.live.apply(snapshot)
  }

  listen(): Promise<AddressInfo> {
    const { host, port } = this.#options
    return this.#listener.listen(host, port)
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain()
    return this.#drained
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#context.isDraining = true
    this.#listener.stopListening()
    this.#expireAll()
    await this.#close()
  }

  #expireAll(): void {
    for (const life of this.#context.lives.list()) life.expire()
  }

  async #drain(): Promise<void> {
    this.#context.isDraining = true
    this.#listener.stopListening()
    const deadlineMs = monotonicMs() + this.#options.drainTimeoutMs
    const graceEndsMs = monotonicMs() + Math.min(idleGraceMs, this.#options.drainTimeoutMs)
    while (monotonicMs() < graceEndsMs || (this.inFlight > 0 && monotonicMs() < deadlineMs)) await sleep(20)
    this.#expireAll()
    await this.#close()
  }

  async #close(): Promise<void> {
    clearInterval(this.#followTimer)
    // The last bytes get a moment to be sent.
    for (let i = 0; i < 50 && this.inFlight > 0; i++) await sleep(20)
    this.#listener[Symbol.dispose]()
    this.#context.silence[Symbol.dispose]()
    this.#context.rates?.[Symbol.dispose]()
    this.#context.budgets?.[Symbol.dispose]()
    await this.live[Symbol.asyncDispose]()
    await this.#context.connections[Symbol.asyncDispose]()
  }
}

function openRates({ leaseLimits, gatewayCount, log }: GatewayPorts): RateGate | null {
  return leaseLimits ? new RateGate({ lease: leaseLimits, gatewayCount, log }) : null
}

function openBudgets({ leaseBudgets, gatewayCount, log }: GatewayPorts): BudgetGate | null {
  return leaseBudgets ? new BudgetGate({ lease: leaseBudgets, gatewayCount, log }) : null
}

function isProbe(target: string): boolean {
  return target === '/healthz' || target === '/readyz' || isMetricsUrl(target)
}

function answerText(exchange: Exchange, status: number, text: string): void {
  const headers = ['content-type', 'text/plain; charset=utf-8', 'cache-control', 'no-store']
  exchange.answer(status, headers, Buffer.from(`${text}\n`))
}
