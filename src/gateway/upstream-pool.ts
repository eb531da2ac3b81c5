import { Client, type Dispatcher } from 'undici'

/**
 * Connections to one origin, each with one request at a time. The one that was used last is used next, so that no more stay
 * open than are needed. Undici's own pool looks through all of its connections for a free one, at each request.
 */
export class UpstreamPool {
  readonly #origin: string
  readonly #options: Client.Options
  readonly #idle: Client[] = []
  #isClosed = false

  constructor(origin: string, options: Client.Options) {
    this.#origin = origin
    this.#options = options
  }

  /** Sends a request; `call.onOver` must be called when its connection is free. */
  dispatch(
    options: Dispatcher.DispatchOptions,
    call: Dispatcher.DispatchHandler & { onOver: (() => void) | null },
  ): void {
    const client = this.#idle.pop() ?? this.#open()
    call.onOver = () => this.#release(client)
    client.dispatch(options, call)
  }

  async destroy(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#idle.splice(0).map((client) => client.destroy()))
  }

  #open(): Client {
    const client = new Client(this.#origin, this.#options)
    client.on('disconnect', () => this.#forget(client))
    return client
  }

  #release(client: Client): void {
    if (this.#isClosed) void client.destroy()
    else this.#idle.push(client)
  }

  /** An idle connection was closed, by either side. */
  #forget(client: Client): void {
    const at = this.#idle.lastIndexOf(client)
    if (at < 0) return
    this.#idle.splice(at, 1)
    void client.close()
  }
}
