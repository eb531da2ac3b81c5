import { type UpstreamConnectionOwner, type OpenSocket, UpstreamConnection } from './connection.ts'
import {
  type AnswerReceiver,
  type CallRequest,
  ExchangeError,
  type UpstreamExchange,
  type UpstreamTransport,
} from './exchange.ts'
import { monotonicMs } from '../../loop/monotonic.ts'
import { failAlone } from '../../loop/phases.ts'

const sweepEveryMs = 1_000

/**
 * Connections to one origin, each with one request at a time. The one that was used last is used next, so that no more stay
 * open than are needed.
 */
export class UpstreamPool implements UpstreamTransport, UpstreamConnectionOwner {
  readonly #openSocket: OpenSocket
  readonly #keepAliveMs: number
  readonly #onEmpty: () => void
  /** By when they became so. */
  readonly #idle: UpstreamConnection[] = []
  #connections = 0
  #isClosed = false
  #sweep: NodeJS.Timeout | null = null

  /** `onEmpty` is called when its last connection is gone: it is of no more use than a new one. */
  constructor(openSocket: OpenSocket, keepAliveMs: number, onEmpty: () => void) {
    this.#openSocket = openSocket
    this.#keepAliveMs = keepAliveMs
    this.#onEmpty = onEmpty
  }

  dispatch(request: CallRequest, receiver: AnswerReceiver): UpstreamExchange {
    const idle = this.#take()
    const connection = idle ?? this.#create()
    connection.send(request, receiver)
    if (!idle) connection.open(this.#openSocket)
    return connection
  }

  /** A new connection, and none of those that are idle: they may be as dead. A new one is never lost in this way. */
  onLost(request: CallRequest, receiver: AnswerReceiver): void {
    if (this.#isClosed) return receiver.onFailure(new ExchangeError('UPSTREAM_CLOSED'))
    const connection = this.#create()
    connection.send(request, receiver)
    receiver.onResend(connection)
    connection.open(this.#openSocket)
  }

  /** Closes idle connections, now and when further ones become idle. */
  destroy(): void {
    this.#isClosed = true
    for (const connection of this.#idle.splice(0)) connection.close()
    this.#stopSweeping()
  }

  onFree(connection: UpstreamConnection): void {
    const keepAliveMs = Math.min(this.#keepAliveMs, connection.keepAliveMs)
    if (this.#isClosed || keepAliveMs <= 0) return connection.close()
    connection.idleUntilMs = monotonicMs() + keepAliveMs
    this.#idle.push(connection)
    this.#sweep ??= setInterval(() => this.#closeExpired(), sweepEveryMs).unref()
  }

  onClosed(connection: UpstreamConnection): void {
    const at = this.#idle.lastIndexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#connections--
    if (this.#connections > 0) return
    this.#stopSweeping()
    this.#onEmpty()
  }

  #create(): UpstreamConnection {
    this.#connections++
    return new UpstreamConnection(this)
  }

  /** The one that became so last is the last to expire. The sweep alone would come too late: upstream closes to the second. */
  #take(): UpstreamConnection | undefined {
    const last = this.#idle.at(-1)
    return last && monotonicMs() < last.idleUntilMs ? this.#idle.pop() : undefined
  }

  #closeExpired(): void {
    const now = monotonicMs()
    for (const connection of this.#idle.filter(({ idleUntilMs }) => idleUntilMs <= now)) closeAlone(connection)
    if (this.#idle.length === 0) this.#stopSweeping()
  }

  #stopSweeping(): void {
    if (this.#sweep) clearInterval(this.#sweep)
    this.#sweep = null
  }
}

function closeAlone(connection: UpstreamConnection): void {
  try {
    connection.close()
  } catch (error) {
    failAlone(connection, error)
  }
}
