import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { guarded } from '../../loop/guarded.ts'
import { monotonicMs } from '../../loop/monotonic.ts'
import { IndexedSet } from '../../loop/indexed-set.ts'
import { failAlone } from '../../loop/phases.ts'
import { DownstreamConnection, type DownstreamConnectionOwner, type HeadFault } from './connection.ts'
import type { Exchange } from './exchange.ts'

export interface ListenerOptions {
  readonly onExchange: (exchange: Exchange) => void
  readonly onFault: DownstreamConnectionOwner['onFault']
  readonly untakenMs: number
  /** Something threw outside of a request: it has ended no more than its own connection. */
  readonly onInternalFault: (error: unknown) => void
}

const backlog = 4_096
const maxConnections = 50_000
/** Of requests that wait behind others on their connections, in all. */
const maxWaitingBytes = 64 * 1024 * 1024
/**
 * What all clients together may go on sending behind their last answers, at once and per second: so much that one that sends a large
 * body before it reads its refusal finds it, and so little that a crowd of them leaves no heap of garbage.
 */
const maxReadOverBytes = 32 * 1024 * 1024
const readOverBytesPerCheck = 4 * 1024 * 1024
/** Limits of time are as exact as this. */
const checkEveryMs = 1_000

/** The port that clients connect to. */
export class Listener implements DownstreamConnectionOwner, Disposable {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #connections = new IndexedSet<DownstreamConnection>()
  readonly #timer: NodeJS.Timeout
  #waitingBytes = 0
  #readOverBytesLeft = maxReadOverBytes

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#server = createServer(
      { noDelay: true },
      guarded((socket: Socket) => this.#accept(socket), options.onInternalFault),
    )
    this.#server.maxConnections = maxConnections
    this.#timer = setInterval(() => this.#check(), checkEveryMs)
    this.#timer.unref()
  }

  /** Opens the port; 0: any free one. Resolves to where it listens; rejects if that cannot be. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    this.#server.listen({ host, port, backlog })
    await once(this.#server, 'listening')
    return this.#server.address() as AddressInfo
  }

  /** New connections are refused; those that are there stay. */
  stopListening(): void {
    if (this.#server.listening) this.#server.close()
  }

  onExchange(exchange: Exchange): void {
    this.#options.onExchange(exchange)
  }

  onFault(exchange: Exchange, fault: HeadFault, detail: string): void {
    this.#options.onFault(exchange, fault, detail)
  }

  onInternalFault(error: unknown): void {
    this.#options.onInternalFault(error)
  }

  holdWaiting(bytes: number): boolean {
    if (bytes > 0 && this.#waitingBytes + bytes > maxWaitingBytes) return false
    this.#waitingBytes += bytes
    return true
  }

  countReadOver(bytes: number): boolean {
    this.#readOverBytesLeft -= bytes
    return this.#readOverBytesLeft > 0
  }

  onClosed(connection: DownstreamConnection): void {
    this.#connections.delete(connection)
  }

  /** Closes everything at once. */
  [Symbol.dispose](): void {
    this.stopListening()
    clearInterval(this.#timer)
    for (const connection of this.#connections.list()) connection.destroy()
  }

  #accept(socket: Socket): void {
    this.#connections.add(new DownstreamConnection(socket, this, this.#options.untakenMs))
  }

  #check(): void {
    const nowMs = monotonicMs()
    this.#readOverBytesLeft = Math.min(maxReadOverBytes, this.#readOverBytesLeft + readOverBytesPerCheck)
    for (const connection of this.#connections.list()) check(connection, nowMs)
  }
}

function check(connection: DownstreamConnection, nowMs: number): void {
  try {
    connection.check(nowMs)
  } catch (error) {
    failAlone(connection, error)
  }
}
