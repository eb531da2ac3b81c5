import type { Socket } from 'node:net'
import { type buildConnector, Client, type Dispatcher, Pool } from 'undici'
import { InterimFilter } from './interim-filter.ts'
import { readOn } from '../http1/client/read-on.ts'

/** A handler that wants to know which connection carries its request. */
export interface ConnectionObserver extends Dispatcher.DispatchHandler {
  /** `isReused`: it has carried others before. */
  onClient(client: ObservedClient, isReused: boolean): void
}

/** Undici's client, of one connection at a time, that tells what undici keeps to itself. */
export class ObservedClient extends Client {
  readonly #filter: InterimFilter
  readonly #connection: { socket: Socket | null }

  constructor(origin: string | URL, options: Client.Options) {
    const filter = new InterimFilter()
    const connection: { socket: Socket | null } = { socket: null }
    const connect = options.connect as buildConnector.connector
    super(origin, {
      ...options,
      connect: (to, opened) =>
        connect(to, (...result) => {
          connection.socket = result[1]
          if (result[1]) prepare(result[1], filter)
          opened(...result)
        }),
    })
    this.#filter = filter
    this.#connection = connection
  }

  /** Whether its connection ended by a reset, and not in order. */
  get wasReset(): boolean {
    return this.#connection.socket?.errored != null
  }

  /** Whether a byte of an answer to its request has come. */
  get hasAnswerBegun(): boolean {
    return this.#filter.hasBegun
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#filter.expectAnswer()
    if ('onClient' in handler) (handler as ConnectionObserver).onClient(this, this.stats.connected)
    return super.dispatch(options, handler)
  }
}

/** Undici takes what it reads by `read`, whenever the socket says that there is something. */
function prepare(socket: Socket, filter: InterimFilter): void {
  readOn(socket, () => {})
  const read = socket.read.bind(socket) as () => Buffer | null
  socket.read = () => {
    for (let bytes = read(); bytes !== null; bytes = read()) {
      const rest = filter.take(bytes)
      if (rest) return rest
    }
    return null
  }
}

/** A pool whose connections are told to handlers. Its `connect` has to be a function. */
export function createObservedPool(origin: string | URL, options: Pool.Options): Pool {
  return new Pool(origin, { ...options, factory: (to, one) => new ObservedClient(to, one) })
}
