/** What the two ways to pass an answer on have in common. */
import type { GatewayErrorCode } from '../../routing/errors/gateway-errors.ts'
import type { AnswerReading } from './reading.ts'
import type { Exchange } from '../http1/server/exchange.ts'
import type { Rewrite } from './model-rewrite.ts'
import type { StreamEnd } from './stream-end.ts'
import type { UpstreamCall } from '../upstream/call.ts'

/**
 * How the passing on ended. `failed`, `refused`: as upstream said itself. `broken`: upstream did not finish. `silent`: it sent
 * nothing for too long. `expired`: the request had no time left. `cut`: the gateway ended it.
 */
export type RelayEnd = StreamEnd | BrokenEnd
export type BrokenEnd = 'broken' | 'silent' | 'expired' | 'cut'

/** The error event for the client of a stream that breaks off. */
export const errorOfEnd: Readonly<Record<BrokenEnd, GatewayErrorCode>> = {
  broken: 'upstream_truncated',
  silent: 'upstream_timeout',
  expired: 'upstream_timeout',
  cut: 'shutting_down',
}

export function isBrokenEnd(end: RelayEnd): end is BrokenEnd {
  return end in errorOfEnd
}

/** A request's answer on its way to the client. */
export interface Relay {
  readonly reading: AnswerReading
  /** When the first byte went out (`monotonicMs`); 0: none did. */
  readonly firstByteAtMs: number
  /** Ends the answer as one that upstream did not finish: the gateway has no more time for it. */
  cut(): void
}

/**
 * Called exactly once, when all that will come of the answer is known and before its last byte goes out: that waits for
 * `release`.
 */
export type LastByteHook = (end: RelayEnd, release: () => void) => void

/** Where an answer goes, and the head that it begins with. */
export interface AnswerSink {
  readonly exchange: Exchange
  readonly status: number
  /** Name, value, name, value, … */
  readonly headers: string[]
  /** What the client gets instead of the bytes that came; null: just those. */
  readonly rewrite: Rewrite | null
  readonly beforeLastByte: LastByteHook
}

/** Writes a part of a body and holds upstream back if the client is slower. */
export function writePart(bytes: Buffer, { exchange, rewrite }: AnswerSink, call: UpstreamCall): void {
  const written = rewrite ? Buffer.concat(rewrite.push(bytes)) : bytes
  if (written.length === 0 || exchange.write(written)) return
  call.pause()
  exchange.whenDrained(() => call.resume())
}

/** The last part of a body, as the client gets it; undefined: nothing more comes. */
export function lastPart(pieces: readonly Buffer[], rewrite: Rewrite | null): Buffer | undefined {
  if (!rewrite) return pieces.length === 0 ? undefined : join(pieces)
  const last = [...pieces.flatMap((piece) => rewrite.push(piece)), ...rewrite.end()]
  return last.length === 0 ? undefined : Buffer.concat(last)
}

/** One buffer of several, without a copy if there is only one. */
export function join(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}
