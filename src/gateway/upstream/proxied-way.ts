import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { Dispatcher, ProxyAgent } from 'undici'
import { AnswerHead, type HeaderPair } from './answer-head.ts'
import { maxWholeBytes, streamOf } from './body-stream.ts'
import type { AnswerReceiver, CallRequest, UpstreamExchange, UpstreamWay } from './exchange.ts'

/** Carries requests through a proxy, by undici: few take this way, and proxies are many things. */
export class ProxiedWay implements UpstreamWay {
  readonly agent: ProxyAgent
  /** `monotonicMs`. */
  usedAtMs = 0

  constructor(agent: ProxyAgent) {
    this.agent = agent
  }

  dispatch({ origin, target, headers, body, length }: CallRequest, receiver: AnswerReceiver): UpstreamExchange {
    const sent = typeof body === 'function' || length > maxWholeBytes ? streamOf(body) : Buffer.concat(body)
    const pairs = pairsOf(headers)
    if (sent instanceof Readable) pairs.push('content-length', String(length))
    const exchange = new ProxiedExchange(receiver, sent instanceof Readable ? sent : null)
    this.agent.dispatch({ origin, path: target, method: 'POST', headers: pairs, body: sent }, exchange)
    return exchange
  }
}

/** Name, value, name, value, … */
function pairsOf(lines: string): string[] {
  return lines
    .split('\r\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
}

class ProxiedExchange implements UpstreamExchange, Dispatcher.DispatchHandler {
  #receiver: AnswerReceiver | null
  readonly #body: Readable | null
  #controller: Dispatcher.DispatchController | null = null

  constructor(receiver: AnswerReceiver, body: Readable | null) {
    this.#receiver = receiver
    this.#body = body
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    this.#receiver = null
    this.#controller?.abort(new Error('closed by the gateway'))
    this.#body?.destroy()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#receiver) this.#receiver.onSending()
    else controller.abort(new Error('abandoned'))
  }

  /** A part was handed to the socket; of a stream, the next one follows when there is room for it. */
  onBodySent(): void {
    this.#receiver?.onSent()
  }

  onRequestSent(): void {
    this.#receiver?.onSent()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status >= 200) this.#receiver?.onHead(headOf(status, headers))
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#receiver?.onBody(chunk)
  }

  onResponseEnd(): void {
    this.#receiver?.onEnd()
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    // Undici lets go only of what it has begun to send.
    this.#body?.destroy()
    this.#receiver?.onFailure(error)
  }
}

function headOf(status: number, headers: IncomingHttpHeaders): AnswerHead {
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): HeaderPair => [name, one]),
  )
  const head = new AnswerHead(status, pairs)
  for (const [name, value] of pairs) head.add(name, value)
  return head
}
