/** Scripted answers of an upstream: each returns a `Reply`, and they nest. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Exchange, Reply } from './exchange.ts'

type Bytes = string | Buffer
type Headers = Readonly<Record<string, string | readonly string[]>>

/** How a connection ends: `fin` closes it politely, `reset` sends RST, `open` leaves it as it is. */
type Ending = 'fin' | 'reset' | 'open'

/** A status with a body; objects become JSON. Default body: an OpenAI error envelope. */
export function status(code: number, body?: object | Bytes, headers: Headers = {}): Reply {
  const content = body ?? { error: { message: `scripted ${code}`, type: 'scripted', param: null, code: null } }
  const isBytes = typeof content === 'string' || Buffer.isBuffer(content)
  const bytes = Buffer.from(isBytes ? content : JSON.stringify(content))
  const type = isBytes ? 'text/plain' : 'application/json'
  return ({ response }) => {
    response.writeHead(code, { 'content-type': type, 'content-length': String(bytes.length), ...writable(headers) })
    response.end(bytes)
  }
}

/** Reads the request and never answers. */
export function hang(): Reply {
  return () => {}
}

/** RST instead of an answer. */
export function reset(): Reply {
  return ({ socket }) => void socket.resetAndDestroy()
}

/** Closes the connection instead of answering. */
export function hangUp(): Reply {
  return ({ socket }) => void socket.end()
}

/** Answers only when `released` settles; gives up when the client leaves. */
export function after(released: Promise<unknown>, reply: Reply): Reply {
  return async (exchange) => {
    await Promise.race([released, exchange.request.closed])
    if (exchange.request.closedAtMs === undefined) await reply(exchange)
  }
}

interface StreamOptions {
  readonly status?: number
  readonly headers?: Headers
  /** Awaited before the event with this index (from 0) is written. */
  readonly beforeEvent?: (index: number) => Promise<unknown> | undefined
  /** A pause before each event but the first. */
  readonly pauseMs?: number
  /** Ends the connection after so many events, without the terminating chunk. */
  readonly cutAfterEvents?: number
  readonly cutBy?: Ending
}

/** Server-sent events, each written by itself: strings as they are (with their own blank line), objects as `data: <JSON>`. */
export function stream(events: readonly (Bytes | object)[], options: StreamOptions = {}): Reply {
  return async (exchange) => {
    const { response, request } = exchange
    response.writeHead(options.status ?? 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      ...writable(options.headers ?? {}),
    })
    response.flushHeaders()
    const kept = events.slice(0, options.cutAfterEvents ?? events.length)
    for (const [index, event] of kept.entries()) {
      if (index > 0 && options.pauseMs) await sleep(options.pauseMs)
      await Promise.race([options.beforeEvent?.(index), request.closed.then(() => undefined)])
      if (request.closedAtMs !== undefined) return
      if (!response.write(eventBytes(event))) await Promise.race([once(response, 'drain'), request.closed])
    }
    if (options.cutAfterEvents === undefined) response.end()
    else await end(exchange, options.cutBy ?? 'fin')
  }
}

/** These bytes on the socket, status line included, each piece a write of its own; then the connection ends. */
export function raw(pieces: Bytes | readonly Bytes[], ending: Ending = 'fin'): Reply {
  return async (exchange) => {
    const list = typeof pieces === 'string' || Buffer.isBuffer(pieces) ? [pieces] : pieces
    for (const piece of list) await writePiece(exchange, piece)
    await end(exchange, ending)
  }
}

/** A body that is shorter than the `content-length` says, or than the chunked coding promises. */
export function cutBody(
  body: Bytes,
  options: { claimedLength?: number; cutBy?: Ending; contentType?: string } = {},
): Reply {
  const bytes = Buffer.from(body)
  const length = options.claimedLength ?? bytes.length + 100
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${options.contentType ?? 'application/json'}\r\ncontent-length: ${length}\r\n\r\n`
  return raw([head, bytes], options.cutBy ?? 'fin')
}

/** A 200 answer in these pieces, each one HTTP chunk and one write. */
export function chunks(pieces: readonly Bytes[], headers: Headers = { 'content-type': 'application/json' }): Reply {
  return async (exchange) => {
    exchange.response.writeHead(200, writable(headers))
    exchange.response.flushHeaders()
    for (const piece of pieces) {
      exchange.response.write(piece)
      await turn()
    }
    exchange.response.end()
  }
}

/** `body` in pieces of `size` bytes. */
export function inPiecesOf(size: number, body: Bytes): Buffer[] {
  const bytes = Buffer.from(body)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

function eventBytes(event: Bytes | object): Bytes {
  return typeof event === 'string' || Buffer.isBuffer(event) ? event : `data: ${JSON.stringify(event)}\n\n`
}

async function writePiece({ socket }: Exchange, piece: Bytes): Promise<void> {
  if (socket.destroyed) return
  const written = Promise.withResolvers<void>()
  socket.write(piece, () => written.resolve())
  await written.promise
  await turn()
}

async function end({ socket }: Exchange, ending: Ending): Promise<void> {
  if (ending === 'open') return
  // An RST overtakes what the peer has not read yet.
  await sleep(ending === 'reset' ? 10 : 1)
  if (ending === 'reset') socket.resetAndDestroy()
  else socket.end()
}

// Long enough for the peer to read what was written, so that the next write is a read of its own.
async function turn(): Promise<void> {
  await sleep(1)
}

function writable(headers: Headers): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, typeof v === 'string' ? v : [...v]]))
}
