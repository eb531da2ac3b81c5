import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6, Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ListenAddress } from '../configuration/config.ts'
import { faultOfParser, faultOfSilence, findHeadFault, rawRefusal, refuse } from './http-error.ts'
import { StartError } from '../start-error.ts'

export type HttpListenerOptions = {
  listen: ListenAddress
  /** Named in messages, e.g. `SIGNALBOX_API`: `…_HOST` and `…_PORT` are what the operator can change. */
  variablePrefix: string
  /** Everything but `/healthz` and `/readyz`, and only requests whose head is sound. */
  handle: RequestListener
  /** Connections that ask for another protocol (WebSocket); without it they are answered as usual requests. */
  upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Why no requests should come yet, or any more; undefined: they may. */
  whyNotReady: () => string | undefined
}

/** An open port. Disposing closes it and every connection at once; `drain` before that loses no request. */
export type HttpListener = AsyncDisposable & {
  /** To be opened by a client on this machine, e.g. `http://127.0.0.1:4000`. */
  readonly url: string
  /** The port that the system chose, if 0 was asked for. */
  readonly port: number
  /** Aborted when draining begins, so that requests without an end (subscriptions) end. */
  readonly draining: AbortSignal
  /**
   * Takes no new connections, tells clients to close theirs with the next response, and waits for the requests in
   * flight. True if all connections have ended within the time.
   */
  drain(timeoutMs: number): Promise<boolean>
}

// Node looks every 30 s by default, which would make these limits meaningless.
const HEADERS_TIMEOUT_MS = 15_000
const BODY_SILENCE_MS = 30_000
const SWEEP_MS = 1_000

// Longer than what usual clients keep (60 s), so that it is the client that closes an idle connection.
const KEEP_ALIVE_MS = 65_000
const BACKLOG = 4_096
const MAX_CONNECTIONS = 50_000

// A client with an active connection gets time to see that it will be closed.
const IDLE_GRACE_MS = 1_000
const DRAIN_POLL_MS = 50

/** What is known of a connection: its last request, and since when its body has been silent. */
type Connection = { request?: IncomingMessage; response?: ServerResponse; bytesRead: number; silentMs: number }

/** Opens the port. Throws `StartError` with the variable to change if it cannot be had. */
export async function openHttpListener(options: HttpListenerOptions): Promise<HttpListener> {
  const connections = new Map<Socket, Connection>()
  const draining = new AbortController()
  const server = createHardenedServer()
  server.on('connection', (socket) => {
    connections.set(socket, { bytesRead: 0, silentMs: 0 })
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', (request, response) => {
    const connection = connections.get(request.socket)
    if (connection) [connection.request, connection.response] = [request, response]
    if (draining.signal.aborted) response.shouldKeepAlive = false
    answer(request, response, options, draining.signal)
  })
  server.on('clientError', (error, socket) => refuseBytes(error, socket as Socket, connections.get(socket as Socket)))
  if (options.upgrade) server.on('upgrade', soundUpgrade(options.upgrade))
  await listen(server, options)
  const sweep = setInterval(() => closeSilent(connections), SWEEP_MS).unref()
  return {
    url: urlOf(options.listen.host, (server.address() as AddressInfo).port),
    port: (server.address() as AddressInfo).port,
    draining: draining.signal,
    drain: (timeoutMs) => {
      draining.abort()
      return drain(server, connections, timeoutMs)
    },
    [Symbol.asyncDispose]: async () => {
      draining.abort()
      clearInterval(sweep)
      await close(server, connections)
    },
  }
}

function createHardenedServer(): Server {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Not the time of the whole request: a large body over a slow line is fine as long as it moves.
    requestTimeout: 0,
    connectionsCheckingInterval: SWEEP_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: true,
  })
  server.maxConnections = MAX_CONNECTIONS
  return server
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpListenerOptions,
  draining: AbortSignal,
) {
  const fault = findHeadFault(request)
  if (fault) return refuse(response, fault)
  if (request.url === '/healthz') return answerProbe(response, undefined)
  if (request.url === '/readyz') return answerProbe(response, draining.aborted ? 'draining' : options.whyNotReady())
  return options.handle(request, response)
}

function answerProbe(response: ServerResponse, why: string | undefined): void {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  }
  response.writeHead(why === undefined ? 200 : 503, headers).end(`${why ?? 'ok'}\n`)
}

function soundUpgrade(upgrade: NonNullable<HttpListenerOptions['upgrade']>) {
  return (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The parser has let go of the socket: an error on it would end the process.
    socket.on('error', () => socket.destroy())
    const fault = findHeadFault(request)
    if (fault) socket.end(rawRefusal(fault))
    else upgrade(request, socket, head)
  }
}

/** Called by Node for a malformed request. A response in progress must not get a second response inside it. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket, connection: Connection | undefined): void {
  const { response } = connection ?? {}
  const isAnswering = response !== undefined && response.headersSent && !response.writableFinished
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) socket.destroy()
  else socket.end(rawRefusal(faultOfParser(error)), () => socket.destroy())
}

async function listen(server: Server, { listen: { host, port }, variablePrefix }: HttpListenerOptions): Promise<void> {
  const listening = Promise.withResolvers<void>()
  // First of all: a WebSocketServer that is put on this server would swallow the error.
  server.once('error', listening.reject)
  server.listen({ host, port, backlog: BACKLOG }, listening.resolve)
  try {
    await listening.promise
  } catch (error) {
    throw whyNotListening(error as NodeJS.ErrnoException, { host, port }, variablePrefix)
  }
  server.off('error', listening.reject)
}

/** What the error of a `listen` means to the operator, with the variable to change: `prefix` is e.g. `SIGNALBOX_API`. */
export function whyNotListening(
  error: NodeJS.ErrnoException,
  { host, port }: ListenAddress,
  prefix: string,
): StartError {
  const address = `${bracketed(host)}:${port}`
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `is in use by another process. Stop it, or set ${prefix}_PORT to another port.`,
    EACCES: `needs more rights than this user has. Set ${prefix}_PORT to a port from 1024 on.`,
    EADDRNOTAVAIL: `is no address of this machine. Set ${prefix}_HOST to one, e.g. 127.0.0.1.`,
    ENOTFOUND: `has no address. Set ${prefix}_HOST to one of this machine, e.g. 127.0.0.1.`,
  }
  return new StartError(`${address} ${reasons[error.code ?? ''] ?? `cannot be listened on: ${error.message}`}`)
}

async function drain(server: Server, connections: Map<Socket, Connection>, timeoutMs: number): Promise<boolean> {
  const startedAt = performance.now()
  // Not the method of http.Server: it would also close idle connections, on which requests may be on their way.
  if (server.listening) NetServer.prototype.close.call(server)
  while (connections.size > 0) {
    const elapsedMs = performance.now() - startedAt
    if (elapsedMs >= timeoutMs) return false
    if (elapsedMs >= IDLE_GRACE_MS) server.closeIdleConnections()
    await sleep(DRAIN_POLL_MS)
  }
  return true
}

async function close(server: Server, connections: Map<Socket, Connection>): Promise<void> {
  const closed = Promise.withResolvers<void>()
  // The error only means that draining has closed it before.
  server.close(() => closed.resolve())
  for (const socket of connections.keys()) socket.destroy()
  await closed.promise
}

/** Whether a client has stopped in the middle of its body, and is not merely waiting because this server does not read. */
function closeSilent(connections: Map<Socket, Connection>): void {
  for (const [socket, connection] of connections) {
    const { request, response } = connection
    const isOurs = !request || request.complete || request.readableLength >= request.readableHighWaterMark
    const hasMoved = socket.bytesRead !== connection.bytesRead
    connection.bytesRead = socket.bytesRead
    connection.silentMs = isOurs || hasMoved ? 0 : connection.silentMs + SWEEP_MS
    if (connection.silentMs < BODY_SILENCE_MS) continue
    if (response?.headersSent) socket.destroy()
    else socket.end(rawRefusal(faultOfSilence()), () => socket.destroy())
  }
}

/** Where a client on this machine finds what listens there. */
export function urlOf(host: string, port: number): string {
  const isAny = host === '0.0.0.0' || host === '::'
  return `http://${isAny ? '127.0.0.1' : bracketed(host)}:${port}`
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}
