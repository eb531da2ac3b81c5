/** The data plane: one HTTP listener that passes requests on to models. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerClientError } from './client-error.ts'
import type { GatewayContext, GatewayLimits } from './gateway-context.ts'
import { LiveState } from './live/live-state.ts'
import { answerMetrics, isMetricsUrl } from './metrics-answer.ts'
import type { GatewayPorts } from './ports.ts'
import { SilenceWatch } from './request-body.ts'
import { RequestLife } from './request-life.ts'
import { Roster } from './roster.ts'
import { UpstreamConnections } from './upstream-connections.ts'

export interface GatewayOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly maxRequestBytes: number
  /** How long `drain` waits for requests in flight. */
  readonly drainTimeoutMs: number
  readonly limits?: Partial<Omit<GatewayLimits, 'maxRequestBytes'>>
}

export interface Gateway extends AsyncDisposable {
  /** Circuits, requests in flight, health: what this gateway knows of its upstreams. */
  readonly live: LiveState
  /** Requests whose answer is not over. */
  readonly inFlight: number
  /** Handles one request; for a listener that is not `listen`'s. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** Opens the port; resolves to where it listens. Rejects if that cannot be. */
  listen(): Promise<AddressInfo>
  /** Follows a new snapshot at once; otherwise it is noticed with the next request, or within a second. */
  follow(): void
  /**
   * Takes no new connections, lets requests in flight run to their end, or ends them after `drainTimeoutMs`, then closes.
   * Readiness is off from the first moment.
   */
  drain(): Promise<void>
}

const defaultLimits = { maxRequestsInFlight: 20_000, maxHeldBytes: 1024 * 1024 * 1024 }
const headersTimeoutMs = 15_000
const keepAliveMs = 65_000
const backlog = 4_096
const maxConnections = 50_000
const followEveryMs = 1_000
/** Clients that were told nothing yet may be about to send on a connection that is idle. */
const idleGraceMs = 500

export function openGateway(ports: GatewayPorts, options: GatewayOptions): Gateway {
  return new HttpGateway(ports, options)
}

class HttpGateway implements Gateway {
  readonly live: LiveState
  readonly #options: GatewayOptions
  readonly #context: GatewayContext
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #followTimer: NodeJS.Timeout
  #followed: unknown = null
  #drained: Promise<void> | null = null

  constructor(ports: GatewayPorts, options: GatewayOptions) {
    const connections = new UpstreamConnections(ports.isAllowedAddress)
    this.live = new LiveState({ gatewayCount: ports.gatewayCount, connections, log: ports.log })
    this.#options = options
    this.#context = {
      ports,
      limits: { ...defaultLimits, ...options.limits, maxRequestBytes: options.maxRequestBytes },
      live: this.live,
      connections,
      silence: new SilenceWatch(),
      lives: new Roster(),
      heldBytes: 0,
      isDraining: false,
    }
    this.#server = this.#createServer()
    this.#followTimer = setInterval(() => this.follow(), followEveryMs).unref()
    this.follow()
  }

  get inFlight(): number {
    return this.#context.lives.size
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url === '/healthz') return answerText(response, 200, 'ok')
    if (request.url === '/readyz') {
      const { isDraining } = this.#context
      return answerText(response, isDraining ? 503 : 200, isDraining ? 'draining' : 'ready')
    }
    const { metrics, snapshot } = this.#context.ports
    if (metrics && isMetricsUrl(request.url))
      return answerMetrics(request, response, { snapshot: snapshot(), read: metrics })
    this.follow()
    new RequestLife(this.#context, request, response).begin()
  }

  follow(): void {
    const snapshot = this.#context.ports.snapshot()
    if (snapshot === this.#followed) return
    this.#followed = snapshot
    this.live.apply(snapshot)
  }

  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options
    this.#server.listen({ host, port, backlog })
    await once(this.#server, 'listening')
    return this.#server.address() as AddressInfo
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain()
    return this.#drained
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#context.isDraining = true
    this.#stopListening()
    for (const life of this.#context.lives.list()) life.expire()
    await this.#close()
  }

  async #drain(): Promise<void> {
    this.#context.isDraining = true
    this.#stopListening()
    const deadlineMs = performance.now() + this.#options.drainTimeoutMs
    const graceEndsMs = performance.now() + Math.min(idleGraceMs, this.#options.drainTimeoutMs)
    while (performance.now() < graceEndsMs || (this.inFlight > 0 && performance.now() < deadlineMs)) await sleep(20)
    for (const life of this.#context.lives.list()) life.expire()
    await this.#close()
  }

  /** Node's own `close` of an HTTP server would also cut idle connections, and with them requests on their way. */
  #stopListening(): void {
    if (this.#server.listening) NetServer.prototype.close.call(this.#server)
  }

  async #close(): Promise<void> {
    clearInterval(this.#followTimer)
    // What was said last is given a moment to go out.
    for (let i = 0; i < 50 && this.inFlight > 0; i++) await sleep(20)
    this.#server.closeIdleConnections()
    for (const socket of this.#sockets) socket.destroy()
    this.#context.silence[Symbol.dispose]()
    await this.live[Symbol.asyncDispose]()
    await this.#context.connections[Symbol.asyncDispose]()
  }

  #createServer(): Server {
    const server = createServer({
      headersTimeout: headersTimeoutMs,
      // Bodies have their own watch: what counts is silence, and not how long an upload takes.
      requestTimeout: 0,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: keepAliveMs,
      noDelay: true,
      // More than one Host is answered like all other faults.
      requireHostHeader: false,
    })
    server.on('request', this.handle)
    // With these, Node leaves it to the gateway to invite a body, or not.
    server.on('checkContinue', this.handle)
    server.on('checkExpectation', this.handle)
    server.maxConnections = maxConnections
    server.on('clientError', (error, socket) =>
      answerClientError(
        error,
        socket,
        this.#context.lives.list().some((life) => life.isOn(socket)),
      ),
    )
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    return server
  }
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}
