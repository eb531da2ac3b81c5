import type { Operation } from '../../routing/vendors/operation.ts'

/** What a waiting client of a stream gets: Anthropic's clients know an event for it, the others pass over a comment. */
export function signOfLife({ protocol }: Operation): Buffer {
  return protocol === 'anthropic' ? ping : comment
}

const ping = Buffer.from('event: ping\ndata: {"type": "ping"}\n\n')
const comment = Buffer.from(': keep-alive\n\n')

/** The head of a stream that begins before its answer does. */
export const streamHeaders: readonly string[] = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache',
  'x-accel-buffering',
  'no',
]

/** Gives signs of life until it is stopped. */
export class KeepAlive {
  readonly #timer: NodeJS.Timeout

  constructor(everyMs: number, tell: () => void) {
    this.#timer = setInterval(tell, everyMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
