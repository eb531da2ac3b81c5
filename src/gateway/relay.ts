/** What the two ways to pass an answer on have in common. */
import type { ServerResponse } from 'node:http'
import type { AnswerBytes } from './answer-bytes.ts'
import type { UpstreamCall } from './upstream-call.ts'

/** How the passing on ended. `broken`: upstream did not finish. `late`: it took too long. `cut`: the gateway ended it. */
export type RelayEnd = 'whole' | 'broken' | 'late' | 'cut'

/** A request's answer on its way to the client. */
export interface Relay {
  readonly bytes: AnswerBytes
  /** When the first byte went out (`performance.now()`); 0: none did. */
  readonly firstByteAtMs: number
  /** Ends the answer as one that upstream did not finish: the gateway has no more time for it. */
  cut(): void
}

/**
 * Called exactly once, when all that will come of the answer is known and before its last byte goes out: that waits for
 * `release`.
 */
export type BeforeLastByte = (end: RelayEnd, release: () => void) => void

/** Where an answer goes: the client's response, and the head that it begins with. */
export interface AnswerSink {
  readonly response: ServerResponse
  readonly status: number
  /** Name, value, name, value, … */
  readonly headers: string[]
  readonly beforeLastByte: BeforeLastByte
}

/** Longer pieces are not copied. */
const maxFramedBytes = 16 * 1024

/**
 * Writes a part of a body and holds upstream back if the client is slower. `isFirst`: the head has yet to go out with it.
 *
 * Node sends one chunk as four writes, gathered at the end of the tick. Behind the head, the same bytes go to the socket as one
 * buffer: a third of the cost of a streamed event.
 */
export function writePart(bytes: Buffer, response: ServerResponse, call: UpstreamCall, isFirst: boolean): void {
  // An empty chunk would end the body.
  if (bytes.length === 0) return
  const { socket } = response
  const isFramed = !isFirst && socket !== null && response.chunkedEncoding && bytes.length <= maxFramedBytes
  if (isFramed ? socket.write(frame(bytes)) : response.write(bytes)) return
  call.pause()
  ;(isFramed ? socket : response).once('drain', () => call.resume())
}

/** One chunk of the chunked coding (RFC 9112 § 7.1). */
function frame(bytes: Buffer): Buffer {
  const size = bytes.length.toString(16)
  const framed = Buffer.allocUnsafe(size.length + bytes.length + 4)
  let at = framed.write(size, 'latin1')
  framed[at++] = 0x0d
  framed[at++] = 0x0a
  at += bytes.copy(framed, at)
  framed[at++] = 0x0d
  framed[at] = 0x0a
  return framed
}

/** One buffer of several, without a copy if there is only one. */
export function join(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}
