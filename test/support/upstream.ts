/**
 * A model server for tests: real HTTP on loopback, the OpenAI API on top, every request recorded, every answer scriptable.
 *
 * Without a script it answers as a small, correct model server would (`model-answers.ts`); `replies.ts` has the misbehaviour.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import type { Reply, UpstreamIdentity, UpstreamRequest } from './exchange.ts'
import { modelAnswer } from './model-answers.ts'

/** What to do with a request; undefined: what a model server would. */
export type Script = (request: UpstreamRequest) => Reply | undefined

export interface UpstreamOptions {
  /** Stands in its answers: "hello from <name>". Default: `upstream`. */
  readonly name?: string
  /** What `GET /v1/models` lists, and the only models it knows; empty (default): any model. */
  readonly models?: readonly string[]
  /** The bearer token it insists on; default: none. */
  readonly secret?: string
  readonly script?: Script
  /** Whether replies begin only when the whole body has arrived. Default: true. */
  readonly waitForBody?: boolean
  /**
   * Ends the connection with the last bytes of each answer, after it promised to keep it, as llama-server does.
   * Default: false.
   */
  readonly endsConnections?: boolean
}

export interface Upstream extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  /** `http://127.0.0.1:<port>/v1` */
  readonly baseUrl: string
  /** All requests so far, in the order of arrival. */
  readonly requests: readonly UpstreamRequest[]
  /** Those that ask for inference: everything but GET. */
  readonly inferences: readonly UpstreamRequest[]
  readonly openConnections: () => number
  /** Replies for the next requests, one each, before the script is asked. */
  readonly answerNext: (...replies: Reply[]) => void
  /** The script from now on; undefined: what a model server would. */
  readonly setScript: (script: Script | undefined) => void
  readonly forgetRequests: () => void
  /** Closes the port and all connections: from now on connections are refused. */
  readonly stopListening: () => Promise<void>
  /** Opens the same port again. */
  readonly listenAgain: () => Promise<void>
  /** Throws what scripts threw. */
  readonly close: () => Promise<void>
}

interface Recording extends UpstreamRequest {
  body: Buffer
  closedAtMs: number | undefined
  finished: boolean
}

/** A running upstream on a free port of 127.0.0.1. Dispose of it at the end of the test. */
export async function openUpstream(options: UpstreamOptions | Script = {}): Promise<Upstream> {
  const settings: UpstreamOptions = typeof options === 'function' ? { script: options } : options
  const identity: UpstreamIdentity = { name: settings.name ?? 'upstream', models: settings.models ?? [] }
  const requests: Recording[] = []
  const queued: Reply[] = []
  const failures: unknown[] = []
  const connectionNumbers = new WeakMap<Socket, number>()
  const sockets = new Set<Socket>()
  let connections = 0
  let script = settings.script

  const replyTo = (request: UpstreamRequest): Reply =>
    queued.shift() ?? script?.(request) ?? modelAnswer({ secret: settings.secret })

  const handle = async (message: IncomingMessage, response: ServerResponse) => {
    const request = record(message, response, requests.length, connectionNumbers.get(message.socket) ?? 0)
    requests.push(request)
    const body = collectBody(message, request)
    if (settings.waitForBody ?? true) await body
    if (request.closedAtMs !== undefined) return
    if (settings.endsConnections) endWithAnswer(response, message.socket)
    await replyTo(request)({ request, response, socket: message.socket, upstream: identity })
  }

  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (message, response) => {
    handle(message, response).catch((error: unknown) => {
      failures.push(error)
      message.socket.destroy()
    })
  })
  server.on('connection', (socket) => {
    connectionNumbers.set(socket, connections++)
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', ignore)
    socket.once('close', () => sockets.delete(socket))
  })
  await listen(server, 0)
  const { port } = server.address() as AddressInfo

  const stopListening = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  const close = async () => {
    await stopListening()
    if (failures.length > 0) throw new AggregateError(failures, `the script of upstream ${identity.name} threw`)
  }

  return {
    name: identity.name,
    port,
    origin: `http://127.0.0.1:${port}`,
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    get inferences() {
      return requests.filter((request) => request.method !== 'GET')
    },
    openConnections: () => sockets.size,
    answerNext: (...replies) => void queued.push(...replies),
    setScript: (next) => void (script = next),
    forgetRequests: () => void requests.splice(0),
    stopListening,
    listenAgain: () => listen(server, port),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The last bytes and the end of the connection leave together. */
function endWithAnswer(response: ServerResponse, socket: Socket): void {
  response.setHeader('keep-alive', 'timeout=5')
  const end = response.end.bind(response) as (...rest: unknown[]) => ServerResponse
  response.end = (...rest: unknown[]) => {
    end(...rest)
    socket.end()
    return response
  }
}

/** The base URL of a port of 127.0.0.1 where nobody listens. */
export async function refusingBaseUrl(): Promise<string> {
  const upstream = await openUpstream()
  await upstream.close()
  return upstream.baseUrl
}

function record(message: IncomingMessage, response: ServerResponse, index: number, connection: number): Recording {
  const closed = Promise.withResolvers<void>()
  const request: Recording = {
    index,
    method: message.method ?? '',
    path: message.url ?? '',
    headers: message.headers,
    rawHeaders: message.rawHeaders,
    body: Buffer.alloc(0),
    json: () => JSON.parse(request.body.toString()) as Record<string, unknown>,
    arrivedAtMs: performance.now(),
    closed: closed.promise,
    closedAtMs: undefined,
    finished: false,
    connection,
  }
  response.once('close', () => {
    request.closedAtMs = performance.now()
    request.finished = response.writableFinished
    closed.resolve()
  })
  return request
}

async function collectBody(message: IncomingMessage, request: Recording): Promise<void> {
  const chunks: Buffer[] = []
  const ended = Promise.withResolvers<void>()
  message.on('data', (chunk: Buffer) => chunks.push(chunk))
  message.once('error', ignore)
  message.once('close', () => ended.resolve())
  message.once('end', () => ended.resolve())
  await ended.promise
  request.body = Buffer.concat(chunks)
}

async function listen(server: Server, port: number): Promise<void> {
  const failed = Promise.withResolvers<void>()
  server.once('error', failed.reject)
  server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => failed.resolve())
  await failed.promise
  server.off('error', failed.reject)
}

// A peer that resets its connection is what many tests are about; it is seen in `closed`.
function ignore(): void {}
