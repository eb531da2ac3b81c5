import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { randomUUID } from 'node:crypto'
import { actorOf, hashApiKey } from '../../control/kit/actor.ts'
import type { Actor, ControlContext } from '../../control/kit/context.ts'
import { accepts, answerTypes } from './accept.ts'
import type { ReadDatabase } from '../kit/context.ts'
import { createCursorCodec } from '../kit/cursor.ts'
import type { FaultCode } from '../kit/fault.ts'
import { answerGraphiQL, isGraphiQLPath } from '../graphiql/page.ts'
import { type GraphQLLog, requestIds } from './masked-errors.ts'
import type { LivePorts } from '../kit/ports.ts'
import type { RequestLimits } from './request-limits.ts'
import type { TrustedDocuments } from './trusted-documents.ts'
import { createGraphQLWebSockets } from './websocket.ts'
import { createGraphQLEngine } from './yoga.ts'

export interface GraphQLHandlerOptions {
  readonly control: ControlContext
  readonly live: LivePorts
  readonly reads: ReadDatabase
  readonly log: GraphQLLog
  /**
   * The key that signs cursors: 32 bytes, the same in all processes of an installation and after a restart. Undefined until the
   * database was reached.
   */
  readonly cursorKey: () => Buffer | undefined
  readonly limits: RequestLimits
  /** The only documents that may run; undefined: any document may. */
  readonly trusted?: TrustedDocuments | undefined
  /** Called with the key of each accepted call. */
  readonly noteKeyUse?: (apiKeyId: string) => void
}

/** The API at `/graphql` and GraphiQL at `/`. Disposing ends subscriptions and closes WebSockets. */
export interface GraphQLHandler extends AsyncDisposable {
  /** Answers a request; other paths get 404. */
  handle(request: IncomingMessage, response: ServerResponse): void
  /** Takes an upgrade to WebSocket, or refuses it. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

const graphqlPath = '/graphql'
const maxKeyLength = 512

export function createGraphQLHandler({
  control,
  live,
  reads,
  log,
  cursorKey,
  limits,
  trusted,
  noteKeyUse,
}: GraphQLHandlerOptions): GraphQLHandler {
  const shutdowns = new Set<() => void>()
  const onShutdown = (end: () => void) => {
    shutdowns.add(end)
    return () => shutdowns.delete(end)
  }
  const yoga = createGraphQLEngine(
    { control, live, reads, cursors: createCursorCodec(cursorKey), onShutdown },
    log,
    limits,
    trusted,
  )
  const authenticate = (authorization: unknown) => {
    const actor = authenticateBearer(control, authorization)
    if (actor) noteKeyUse?.(actor.id)
    return actor
  }
  const sockets = createGraphQLWebSockets({ yoga, log, trusted, authenticate, createRequestId: randomUUID })

  const answerGraphQL = (request: IncomingMessage, response: ServerResponse, requestId: string) => {
    const actor = authenticate(request.headers.authorization)
    if (!actor) return refuse(response, unauthenticated, refusalTypeOf(request))
    if (!accepts(request.headers.accept, answerTypes)) return refuse(response, notAcceptable)
    if (request.method === 'POST') {
      if (!isJson(request)) return refuse(response, unsupportedMediaType)
      // Yoga compares the media type case-sensitively.
      request.headers['content-type'] = 'application/json'
    }
    const leaving = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) leaving.abort()
    })
    const facts = { actor, requestId, traceHeaders: traceHeadersOf(request), signal: leaving.signal }
    void requestIds.run(requestId, () => yoga(request, response, facts))
  }

  const answerPage = (path: string, request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, methodNotAllowed)
    answerGraphiQL(path, request, response).then(
      (isFound) => isFound || refuse(response, notFound),
      (error: unknown) => {
        log.error({ err: error }, 'GraphiQL could not be rendered')
        response.destroy()
      },
    )
    return undefined
  }

  return {
    handle(request, response) {
      const requestId = randomUUID()
      response.setHeader('x-request-id', requestId)
      setSecurityHeaders(response)
      const path = pathOf(request)
      if (path === graphqlPath) return answerGraphQL(request, response, requestId)
      if (isGraphiQLPath(path)) return answerPage(path, request, response)
      return refuse(response, notFound)
    },
    upgrade(request, socket, head) {
      // A socket error without a listener would end the process.
      socket.on('error', (error) => log.debug({ err: error }, 'a socket failed'))
      if (pathOf(request) !== graphqlPath) return refuseUpgrade(socket, notFound)
      const { authorization } = request.headers
      if (authorization !== undefined && !authenticate(authorization)) return refuseUpgrade(socket, unauthenticated)
      return sockets.upgrade(request, socket, head)
    },
    async [Symbol.asyncDispose]() {
      for (const end of shutdowns) end()
      await sockets[Symbol.asyncDispose]()
      await yoga.dispose()
    },
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!
}

function authenticateBearer(control: ControlContext, authorization: unknown): Actor | undefined {
  if (typeof authorization !== 'string' || authorization.length > maxKeyLength) return undefined
  const key = /^Bearer +(\S(?:.*\S)?) *$/i.exec(authorization)?.[1]
  return key === undefined ? undefined : actorOf(control.snapshots.current(), hashApiKey(key), Date.now())
}

function isJson(request: IncomingMessage): boolean {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  return type === 'application/json'
}

/** Sets the security headers of every answer; GraphiQL's page has its own policy. */
function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('x-frame-options', 'DENY')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-opener-policy', 'same-origin')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  response.setHeader('cache-control', 'no-store')
}

interface RefusedRequest {
  readonly status: number
  readonly code: FaultCode
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

const unauthenticated: RefusedRequest = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message: 'Send the key of an active user as `Authorization: Bearer …`.',
  headers: { 'www-authenticate': 'Bearer' },
}
const notAcceptable: RefusedRequest = {
  status: 406,
  code: 'NOT_ACCEPTABLE',
  message: `An answer comes as one of these: ${answerTypes.join(', ')}.`,
}
const unsupportedMediaType: RefusedRequest = {
  status: 415,
  code: 'UNSUPPORTED_MEDIA_TYPE',
  message: 'The body of a request is JSON: send `content-type: application/json`.',
}
const methodNotAllowed: RefusedRequest = {
  status: 405,
  code: 'BAD_REQUEST',
  message: 'GraphiQL is a page: open it in a browser. The API is at /graphql.',
  headers: { allow: 'GET, HEAD' },
}
const notFound: RefusedRequest = {
  status: 404,
  code: 'NOT_FOUND',
  message: 'There is nothing here: the API is at /graphql, GraphiQL at /.',
}

function refuse(response: ServerResponse, refused: RefusedRequest, type = jsonType): void {
  response.writeHead(refused.status, { ...headersOf(refused), 'content-type': type }).end(bodyOf(refused))
}

const jsonType = 'application/json; charset=utf-8'

/** Clients that name the media type of GraphQL read the body of a failure only if it has that type. */
function refusalTypeOf({ headers: { accept } }: IncomingMessage): string {
  const isNamed = accept?.toLowerCase().includes(answerTypes[0]) && accepts(accept, [answerTypes[0]])
  return isNamed ? `${answerTypes[0]}; charset=utf-8` : jsonType
}

function refuseUpgrade(socket: Duplex, refused: RefusedRequest): void {
  const body = bodyOf(refused)
  const headers = Object.entries({
    ...headersOf(refused),
    'x-request-id': randomUUID(),
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  })
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status]}`, ...lines, '', body].join('\r\n'))
}

function headersOf({ headers }: RefusedRequest): Record<string, string> {
  return { 'content-type': jsonType, ...headers }
}

function bodyOf({ message, code }: RefusedRequest): string {
  return JSON.stringify({ errors: [{ message, extensions: { code } }] })
}

function traceHeadersOf({ headers }: IncomingMessage): string[] {
  return ['traceparent', 'tracestate'].flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? [name, value] : []
  })
}
