import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type DocumentNode, type ExecutionArgs, type ExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql'
import { CloseCode, handleProtocols, makeServer, type OperationResult } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Actor } from '../../control/kit/context.ts'
import { badUserInput, fault } from '../kit/fault.ts'
import { createErrorMask, type GraphQLLog, requestIds } from './masked-errors.ts'
import { trustedDocument, type TrustedDocuments, untrusted } from './trusted-documents.ts'
import { maxBodyBytes, type RequestFacts, type Yoga } from './yoga.ts'

/** The interval of pings. A client that does not answer until the next ping is disconnected. */
const pingIntervalMs = 12_000
const maxOperationsPerSocket = 100
const maxWaitingBytes = 8 * maxBodyBytes

export interface WebSocketOptions {
  readonly yoga: Yoga
  readonly log: GraphQLLog
  /** The only documents that may run; undefined: any document may. */
  readonly trusted: TrustedDocuments | undefined
  /** The current caller for the value of an `Authorization` header; undefined if it is not accepted. */
  readonly authenticate: (authorization: unknown) => Actor | undefined
  readonly createRequestId: () => string
}

export interface GraphQLWebSockets extends AsyncDisposable {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

interface Extra {
  readonly request: IncomingMessage
  /** Aborted when the socket is closed. */
  readonly closed: AbortSignal
}

/** GraphQL over WebSocket by the protocol `graphql-transport-ws` (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md). */
export function createGraphQLWebSockets({
  yoga,
  log,
  trusted,
  authenticate,
  createRequestId,
}: WebSocketOptions): GraphQLWebSockets {
  const maskError = createErrorMask(log)
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxBodyBytes,
    perMessageDeflate: false,
    clientTracking: true,
    handleProtocols,
  })
  const server = makeServer<Record<string, unknown>, Extra>({
    onConnect: ({ connectionParams, extra }) => authenticate(authorizationOf(connectionParams, extra)) !== undefined,
    // The key is checked again for each operation: it may have been revoked meanwhile.
    onSubscribe: async (
      { connectionParams, extra, subscriptions },
      _id,
      { query: asked, operationName, variables, extensions },
    ) => {
      const actor = authenticate(authorizationOf(connectionParams, extra))
      if (!actor) return [fault('UNAUTHENTICATED', 'The key is not valid any more.')]
      if (Object.keys(subscriptions).length > maxOperationsPerSocket)
        return [badUserInput(`A connection has at most ${maxOperationsPerSocket} operations at a time.`)]
      const query = trusted ? trustedDocument(trusted, asked, extensions) : asked
      if (query === undefined) return [withoutInternals(untrusted())]
      const facts: RequestFacts = { actor, requestId: createRequestId(), traceHeaders: [], signal: extra.closed }
      return requestIds.run(facts.requestId, () => prepare(yoga, maskError, facts, { query, operationName, variables }))
    },
    execute: (args) => runPrepared(args, 'execute'),
    subscribe: (args) => runPrepared(args, 'subscribe'),
  })

  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const closing = new AbortController()
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (data) => send(socket, data),
        close: (code, reason) => socket.close(code, code === (CloseCode.Forbidden as number) ? whyForbidden : reason),
        onMessage: (handle) =>
          socket.on('message', (data: Buffer) => {
            handle(data.toString('utf8')).catch((error: unknown) => {
              log.error({ err: error }, 'a WebSocket message failed')
              socket.close(CloseCode.InternalServerError, 'Internal server error')
            })
          }),
      },
      { request, closed: closing.signal },
    )
    // A message that is too large or not UTF-8 is the client's fault; the socket closes by itself.
    socket.on('error', (error) => log.debug({ err: error }, 'a WebSocket failed'))
    const stopPings = keepAlive(socket)
    socket.once('close', (code, reason) => {
      stopPings()
      closing.abort()
      void closed(code, reason.toString('utf8'))
    })
  })

  return {
    upgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request)),
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.close(1001, 'Going away')
      const patience = setTimeout(() => sockets.clients.forEach((client) => client.terminate()), 1_000)
      await Promise.all([...sockets.clients].map((client) => new Promise((resolve) => client.once('close', resolve))))
      clearTimeout(patience)
      sockets.close()
    },
  }
}

function authorizationOf(connectionParams: Readonly<Record<string, unknown>> | undefined, { request }: Extra): unknown {
  const given = authorizationIn(connectionParams) ?? authorizationIn(connectionParams?.['headers'])
  if (given === undefined) return request.headers.authorization
  // The bare key without `Bearer` is accepted too.
  return typeof given === 'string' && !/^bearer /i.test(given) ? `Bearer ${given}` : given
}

function authorizationIn(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return undefined
  const { authorization, Authorization } = value as Readonly<Record<string, unknown>>
  return authorization ?? Authorization
}

/** The reason in the close frame, which has room for 123 bytes. */
const whyForbidden = 'Forbidden: give the key of an active user as `authorization: "Bearer ..."` in connectionParams'

interface Params {
  readonly query: string
  readonly operationName?: string | null | undefined
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined
}

type Enveloped = ReturnType<Yoga['getEnveloped']>
interface Prepared {
  readonly enveloped: Enveloped
  readonly requestId: string
}

/** The arguments of the execution, or what is wrong with the request. */
async function prepare(
  yoga: Yoga,
  maskError: (error: unknown) => Error,
  facts: RequestFacts,
  { query, operationName, variables }: Params,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const enveloped = yoga.getEnveloped({ ...facts, params: { query } } as never)
  const { schema, parse, validate, contextFactory } = enveloped
  try {
    const document = parse(query) as DocumentNode
    const errors = validate(schema, document) as readonly GraphQLError[]
    if (errors.length > 0) return errors.map(withoutInternals)
    return {
      schema: schema as GraphQLSchema,
      document,
      operationName,
      variableValues: variables,
      contextValue: await contextFactory(),
      rootValue: { enveloped, requestId: facts.requestId } satisfies Prepared,
    }
  } catch (error) {
    return [withoutInternals(maskError(error) as GraphQLError)]
  }
}

async function runPrepared(args: ExecutionArgs, how: 'execute' | 'subscribe') {
  const { enveloped, requestId } = args.rootValue as Prepared
  const result = await requestIds.run(
    requestId,
    () => enveloped[how]({ ...args, rootValue: undefined }) as OperationResult,
  )
  return Symbol.asyncIterator in result ? underRequestId(result, requestId) : shown(result)
}

/** Sets the request id for each event: events are computed on demand, after the run above has ended. */
function underRequestId(
  events: AsyncIterable<ExecutionResult>,
  requestId: string,
): AsyncIterableIterator<ExecutionResult> {
  const iterator = events[Symbol.asyncIterator]()
  return {
    async next() {
      const event = await requestIds.run(requestId, () => iterator.next())
      return event.done ? event : { value: shown(event.value) }
    },
    return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function shown(result: ExecutionResult): ExecutionResult {
  return result.errors ? { ...result, errors: result.errors.map(withoutInternals) } : result
}

/** Removes yoga's internal notes from an error, as yoga does over HTTP. Yoga may keep the error object, so it is copied. */
function withoutInternals(error: GraphQLError): GraphQLError {
  const { http: _http, unexpected: _unexpected, ...extensions } = error.extensions
  const { message, nodes, source, positions, path } = error
  return new GraphQLError(message, { nodes, source, positions, path, extensions })
}

/** Sends a message. Waits while the client does not read, so that its messages do not fill the memory. */
function send(socket: WebSocket, data: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (socket.readyState !== socket.OPEN) resolve()
  else if (socket.bufferedAmount > maxWaitingBytes) {
    socket.terminate()
    reject(new Error('The reader is too slow.'))
  } else socket.send(data, (error) => (error ? reject(error) : resolve()))
  return promise
}

function keepAlive(socket: WebSocket): () => void {
  let isAlive = true
  socket.on('pong', () => (isAlive = true))
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate()
    isAlive = false
    socket.ping()
  }, pingIntervalMs)
  return () => clearInterval(timer)
}
