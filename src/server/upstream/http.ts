import { type Duplex, Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import type { Dispatcher } from 'undici'
import type {
  UpstreamFailure,
  UpstreamHttp,
  UpstreamHttpRequest,
  UpstreamHttpResult,
} from '../../control/kit/upstream-http.ts'
import {
  ForbiddenAddressError,
  type IsAllowedAddress,
  UpstreamConnections,
} from '../../gateway/upstream/connections.ts'

/**
 * Calls upstreams for the control plane, under the same guard as the gateway; each call has a connection of its own.
 * Disposing ends the calls in flight.
 */
export function openUpstreamHttp(policy: {
  readonly isAllowedAddress: IsAllowedAddress
}): UpstreamHttp & AsyncDisposable {
  const closing = new AbortController()
  const inFlight = new Set<Promise<UpstreamHttpResult>>()
  return {
    send(request) {
      const call = sendOnce(policy.isAllowedAddress, request, closing.signal).finally(() => inFlight.delete(call))
      inFlight.add(call)
      return call
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await Promise.all(inFlight)
    },
  }
}

async function sendOnce(
  isAllowed: IsAllowedAddress,
  request: UpstreamHttpRequest,
  closing: AbortSignal,
): Promise<UpstreamHttpResult> {
  const startedAtMs = performance.now()
  try {
    await using connections = new UpstreamConnections(isAllowed)
    const answer = await receive(dispatcherOf(connections, request), request, closing)
    return { kind: 'answer', ...answer, latencyMs: performance.now() - startedAtMs }
  } catch (error) {
    return { kind: 'failure', cause: causeOf(error), latencyMs: performance.now() - startedAtMs }
  }
}

function dispatcherOf(connections: UpstreamConnections, { proxyUrl, caCertificates }: UpstreamHttpRequest): Dispatcher {
  return proxyUrl === null ? connections.direct(caCertificates) : connections.throughProxy(proxyUrl, caCertificates)
}

async function receive(
  dispatcher: Dispatcher,
  { method, url, headers, body, timeoutMs, maxBytes }: UpstreamHttpRequest,
  closing: AbortSignal,
): Promise<Omit<Extract<UpstreamHttpResult, { kind: 'answer' }>, 'kind' | 'latencyMs'>> {
  const { origin, pathname, search } = new URL(url)
  const answer = await dispatcher.request({
    origin,
    path: pathname + search,
    method,
    headers: Object.fromEntries([...headers, ['accept-encoding', 'identity'], ['user-agent', 'signalbox']]),
    body,
    signal: AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]),
  })
  const received = await collect(answer.body, maxBytes)
  const coding = String(answer.headers['content-encoding'] ?? 'identity').toLowerCase()
  return { status: answer.statusCode, ...(received.isCut ? received : await decode(received.body, coding, maxBytes)) }
}

interface Received {
  readonly body: Buffer
  readonly isCut: boolean
}

/** What came, up to the bound. */
async function collect(stream: AsyncIterable<unknown>, maxBytes: number): Promise<Received> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxBytes) break
  }
  return { body: Buffer.concat(chunks).subarray(0, maxBytes), isCut: length > maxBytes }
}

/** Some servers compress although it was not requested. The bound counts decompressed bytes. */
const decoders: Readonly<Record<string, () => Duplex>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
}

async function decode(body: Buffer, coding: string, maxBytes: number): Promise<Received> {
  const decoder = decoders[coding]?.()
  if (!decoder) return { body, isCut: false }
  const decoded = Readable.from([body]).pipe(decoder)
  try {
    return await collect(decoded, maxBytes)
  } finally {
    decoded.destroy()
  }
}

const causesByCode: Readonly<Record<string, UpstreamFailure>> = {
  ECONNREFUSED: 'REFUSED',
  ENOTFOUND: 'UNKNOWN_HOST',
  EAI_AGAIN: 'UNKNOWN_HOST',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  EADDRNOTAVAIL: 'UNREACHABLE',
  ECONNRESET: 'BROKEN_OFF',
  EPIPE: 'BROKEN_OFF',
  UND_ERR_SOCKET: 'BROKEN_OFF',
  ETIMEDOUT: 'TIMEOUT',
  UND_ERR_CONNECT_TIMEOUT: 'TIMEOUT',
  EPROTO: 'TLS',
  SELF_SIGNED_CERT_IN_CHAIN: 'TLS',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'TLS',
  UND_ERR_PRX_TLS: 'TLS',
}

const causesByPrefix: readonly (readonly [string, UpstreamFailure])[] = [
  ['ERR_TLS_', 'TLS'],
  ['ERR_SSL_', 'TLS'],
  ['CERT_', 'TLS'],
  ['UNABLE_TO_', 'TLS'],
  // The compressed body ends too early or does not match its header.
  ['Z_', 'BROKEN_OFF'],
]

/** By the error's kind and code only: its message may hold what was sent. */
function causeOf(error: unknown): UpstreamFailure {
  if (!(error instanceof Error)) return 'OTHER'
  if (error instanceof ForbiddenAddressError) return 'FORBIDDEN_ADDRESS'
  if (error.name === 'TimeoutError') return 'TIMEOUT'
  if (error.name === 'HTTPParserError') return 'NOT_HTTP'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const cause = causesByCode[code] ?? causesByPrefix.find(([prefix]) => code.startsWith(prefix))?.[1]
  if (cause) return cause
  if (error.cause instanceof Error) return causeOf(error.cause)
  return code === 'UND_ERR_ABORTED' ? 'PROXY' : 'OTHER'
}
