import { Client, type Dispatcher } from 'undici'

/** One connection, or none yet. */
interface Line {
  readonly client: Client
  isConnected: boolean
}

/**
 * Connections to one origin, each with one request at a time. The one that was used last is used next, so that no more stay
 * open than are needed. Undici's own pool looks through all of its connections for a free one, at each request.
 */
export class UpstreamPool {
  readonly #origin: string
  readonly #options: Client.Options
  readonly #onEmpty: () => void
  readonly #idle: Line[] = []
  #lines = 0
  #isClosed = false

  /** `onEmpty` is called when its last connection is gone: it is of no more use than a new one. */
  constructor(origin: string, options: Client.Options, onEmpty: () => void) {
    this.#origin = origin
    this.#options = options
    this.#onEmpty = onEmpty
  }

  /** Sends a request; `call.onOver` must be called when its connection is free. */
  dispatch(
    options: Dispatcher.DispatchOptions,
    call: Dispatcher.DispatchHandler & { onOver: (() => void) | null },
  ): void {
    const line = this.#idle.pop() ?? this.#open()
    call.onOver = () => this.#release(line)
    line.client.dispatch(options, call)
  }

  async destroy(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#idle.splice(0).map(({ client }) => client.destroy()))
  }

  #open(): Line {
    const client = new Client(this.#origin, this.#options)
    const line = { client, isConnected: false }
    client.on('connect', () => (line.isConnected = true))
    client.on('disconnect', () => this.#disconnected(line))
    this.#lines++
    return line
  }

  #release(line: Line): void {
    if (line.isConnected && !this.#isClosed) this.#idle.push(line)
    else this.#drop(line)
  }

  /** By either side. If a request is on it, that is told, and releases it. */
  #disconnected(line: Line): void {
    line.isConnected = false
    const at = this.#idle.lastIndexOf(line)
    if (at < 0) return
    this.#idle.splice(at, 1)
    this.#drop(line)
  }

  #drop(line: Line): void {
    void line.client.destroy()
    this.#lines--
    if (this.#lines === 0) this.#onEmpty()
  }
}
