/** Clients and upstreams that keep their own count of what went on between them, to compare with what the product says. */
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import type { Reply, UpstreamIdentity } from './exchange.ts'
import { chatEvents, modelAnswer, type ModelUsage } from './model-answers.ts'
import { cutBody, reset, status, stream } from './replies.ts'
import type { UpstreamRequest } from './exchange.ts'

/** What an upstream does with an attempt. `hold`: it sends so many events, and then nothing until the client is gone. */
export type Move =
  | { readonly kind: 'answer'; readonly pauseMs?: number }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'cut'; readonly events: number }
  | { readonly kind: 'hold'; readonly events: number }

/** What a client asks for, and what will become of it upstream. */
export interface Plan {
  readonly path: string
  readonly key: string | null
  readonly body: Readonly<Record<string, unknown>> | string | null
  readonly stream: boolean
  /** By attempt; beyond them: `answer`. */
  readonly moves: readonly Move[]
  readonly usage: Required<ModelUsage>
  /** When the client leaves: once an upstream holds it, or after so many milliseconds, whatever happens. */
  readonly leaves: 'never' | 'held' | number
}

export interface Arrival {
  readonly upstream: string
  readonly move: Move
}

/** A line of the ledger. */
export interface Entry {
  readonly number: number
  readonly plan: Plan
  /** `x-request-id`, as the client or an upstream saw it; null: nobody saw one. */
  id: string | null
  readonly arrivals: Arrival[]
  /** What the client got; null: no headers. */
  status: number | null
  headers: IncomingMessage['headers']
  text: string
  /** Saw the end of its answer. */
  isWhole: boolean
  hasLeft: boolean
}

export class Ledger implements Disposable {
  readonly entries: Entry[] = []
  readonly #agent: Agent
  readonly #held = new Map<number, PromiseWithResolvers<void>>()

  constructor(connections = 48) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** The script of an upstream that takes part. */
  reply(upstream: UpstreamIdentity, request: UpstreamRequest): Reply {
    const body = request.json()
    const entry = this.entries[body['ledger'] as number]!
    const id = String(request.headers['x-request-id'])
    if (entry.id !== null && entry.id !== id) throw new Error(`${entry.id} and ${id} are one request`)
    entry.id = id
    const move = entry.plan.moves[entry.arrivals.length] ?? { kind: 'answer' }
    entry.arrivals.push({ upstream: upstream.name, move })
    return this.#replyOf(move, entry, body, upstream)
  }

  #replyOf(move: Move, entry: Entry, body: Record<string, unknown>, upstream: UpstreamIdentity): Reply {
    const { usage, stream: isStream } = entry.plan
    const text = `one two three four from ${upstream.name}`
    const events = () => chatEvents({ model: String(body['model']), text, usage, body, options: {} })
    switch (move.kind) {
      case 'answer':
        return modelAnswer({ text, usage, ...(move.pauseMs ? { pauseMs: move.pauseMs } : {}) })
      case 'status':
        return status(move.status)
      case 'reset':
        return reset()
      case 'cut':
        return isStream ? stream(events(), { cutAfterEvents: move.events }) : cutBody('{"choices":[{"message":')
      case 'hold': {
        const held = this.#held.get(entry.number)!
        if (!isStream) return () => held.resolve()
        const beforeEvent = (index: number) => {
          if (index < move.events) return undefined
          held.resolve()
          return Promise.withResolvers<never>().promise
        }
        return stream(events(), { beforeEvent })
      }
    }
  }

  /** Sends one and resolves when its client is done with it. Never rejects. */
  async ask(gatewayUrl: string, plan: Plan): Promise<Entry> {
    const entry: Entry = {
      number: this.entries.length,
      plan,
      id: null,
      arrivals: [],
      status: null,
      headers: {},
      text: '',
      isWhole: false,
      hasLeft: false,
    }
    this.entries.push(entry)
    const held = Promise.withResolvers<void>()
    this.#held.set(entry.number, held)
    await this.#exchange(gatewayUrl, entry, held.promise)
    this.#held.delete(entry.number)
    return entry
  }

  async #exchange(gatewayUrl: string, entry: Entry, held: Promise<void>): Promise<void> {
    const { plan } = entry
    const done = Promise.withResolvers<void>()
    const request = httpRequest(`${gatewayUrl}${plan.path}`, {
      method: plan.body === null ? 'GET' : 'POST',
      agent: this.#agent,
      headers: { 'content-type': 'application/json', ...(plan.key === null ? {} : { 'x-api-key': plan.key }) },
    })
    const leave = () => {
      if (entry.isWhole) return
      entry.hasLeft = true
      request.destroy()
    }
    request.on('error', () => {})
    request.once('close', () => done.resolve())
    request.once('response', (response) => {
      entry.status = response.statusCode ?? null
      entry.headers = response.headers
      entry.id = String(response.headers['x-request-id'])
      response.setEncoding('utf8')
      response.on('data', (text: string) => void (entry.text += text))
      response.on('error', () => {})
      response.once('end', () => void (entry.isWhole = response.complete))
    })
    request.end(plan.body === null ? undefined : bodyOf(plan.body, entry.number))
    if (plan.leaves === 'held') void held.then(leave)
    const timer = typeof plan.leaves === 'number' ? setTimeout(leave, plan.leaves) : undefined
    await done.promise
    clearTimeout(timer)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

function bodyOf(body: Exclude<Plan['body'], null>, number: number): string {
  return typeof body === 'string' ? body : JSON.stringify({ ...body, ledger: number })
}
